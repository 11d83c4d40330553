use strict;
use warnings;

# Several servers that replicate one another: which one is asked, and what is
# believed once that is another.  Here the test itself says who is the master;
# t/redis_sentinel.t leaves that to Sentinel.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::Cache;
use Proctor::Test::Replicas;
use Proctor::Test::Status qw(becomes redis recovers);
use Proctor::Test::Wait qw(wait_until);
use Test::More;
use Time::HiRes qw(sleep);

# what a sanitizer or a busy machine may cost
my $slow = $ENV{ASAN_OPTIONS} ? 4 : 1;

my ($set, @servers, $t);
my $away = qr/proctor redis: .* is away/;


# order: of the servers' addresses
sub fixture {
    my ($order, %args) = @_;

    my $options = delete $args{options} // 'timeout=' . 100 * $slow . 'ms';
    return Proctor::Test->new(
        contract => sub {
            my ($name, $data) = @_;
            Proctor::Test::Cache::changes($data) if $name eq 'respan';
        },
        prepare => sub {
            $set = Proctor::Test::Replicas->new(dir => "$_[0]{dir}/redis");
            @servers = $set->servers;
        },
        http => sub {
            my @addresses = ($set->addresses)[@$order];
            "proctor_zone main:1m;\nproctor_redis @addresses $options;\n";
        },
        locations => Proctor::Test::Status::location(),
        %args,
    );
}


sub is_at {
    my ($server, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $said = eval { becomes($t, 'ready') };
    is $said && $said->{address}, "127.0.0.1:$server->{port}", $name;
}


# Without a question of anybody's.
sub moves_to {
    my ($server) = @_;

    return wait_until('the gateway to come', sub { $server->clients });
}


sub promote {
    my ($server) = @_;

    $server->command('REPLICAOF', 'NO', 'ONE');
}


sub follow {
    my ($server, $master) = @_;

    $server->command('REPLICAOF', '127.0.0.1', $master->{port});
    wait_until('the replica to be at the master', sub {
        $server->command('INFO', 'replication') =~ /^master_link_status:up/m;
    });
}


# From now on.
sub answers {
    my ($id, $name, @more) = @_;

    $t->sandbox->clear;
    upstream($t, $id, match => { method => 'PATCH' }, json => {}, @more);
    upstream($t, $id,
        json => { id => $id, status => 'completed', name => $name });
}


# An answer that all servers keep.
sub kept {
    my ($id, $master) = @_;

    answers($id, 'old');
    get($t, $id);
    is state(get($t, $id)), 'hit', 'an answer is kept';
    my $all = () = entries($master);
    for my $server (grep { $_->{pid} } @servers) {
        wait_until('the answer to be everywhere',
            sub { $all == (my @there = entries($server)) });
    }
    answers($id, 'new');
}


# Perhaps not before what Redis could not be told was said.
sub keeps {
    my ($id) = @_;

    ok eval { wait_until('a hit', sub { state(get($t, $id)) eq 'hit' }) },
        '... and the new one is kept';
}


sub change {
    my ($id) = @_;

    is $t->request(PATCH => path($id), key => 'admin',
        json => { name => 'x' })->{status}, 200, '... and then changed';
}


# the one that is the master, wherever it stands
{
    $t = fixture([1, 2, 0]);
    my $said = redis($t);
    is $said->{state}, 'ready', 'the first request finds a master';
    is $said->{address}, "127.0.0.1:$servers[0]{port}", '... behind two replicas';
    is $said->{server}, join(' ', ($set->addresses)[1, 2, 0]),
        '... of all that may be one';
    is $said->{connects}, 3, '... with a connection to each';
    is $said->{ping}, 'reply', '... which answers';
    is scalar($t->nginx->log_lines($away)), 0, '... and nothing was away';

    my $sockets = $t->nginx->sockets;

    # demoted without a word: nobody cut the connection, nobody asks
    promote($servers[1]);
    follow($_, $servers[1]) for @servers[0, 2];
    moves_to($servers[1]);
    is_at($servers[1], 'who is demoted is left, though nobody asks it anything');

    # stopped: it will not wake up with us
    $servers[1]->freeze;
    promote($servers[2]);
    follow($servers[0], $servers[2]);
    moves_to($servers[2]);
    is_at($servers[2], 'who is stopped is left, though nobody asks it anything');
    $servers[1]->thaw;
    wait_until('it to have lost its replicas', sub {
        $servers[1]->command('INFO', 'replication') =~ /^connected_slaves:0/m;
    });
    is_at($servers[2], '... and is not returned to');

    # two masters: a new worker begins with the first address, which is alone
    my @old = $t->nginx->workers;
    $t->nginx->reload;
    wait_until('the old worker to end', sub { !grep { kill 0, $_ } @old });
    is_at($servers[2], 'of two masters it takes the one that has replicas');

    # ... unless there is no other
    follow($servers[1], $servers[2]);
    $_->kill for @servers[0, 1];
    $servers[2]->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    ok defined recovers($t, 1.5 * $slow), 'a master without a replica';
    is_at($servers[2], '... is one');

    # nobody is there: rounds are few
    $servers[2]->kill;
    my $before = becomes($t, 'off')->{connects};
    sleep 1;
    my $rounds = (redis($t)->{connects} - $before) / 3;
    cmp_ok $rounds, '>=', 1, 'nobody is there: all are asked again';
    cmp_ok $rounds, '<=', 6, '... and nobody is hammered';
    $_->start for $servers[0];
    ok defined recovers($t, 1.5 * $slow), '... until one is';
    is $t->nginx->sockets, $sockets, 'no socket is left';

    $t->stop;
}


# what a new master has not heard of
{
    $t = fixture([0, 1], options => 'timeout=2s');
    is_at($servers[0], 'at the master');

    # its invalidation does not reach the other one, which is then alone
    kept('a', $servers[0]);
    promote($servers[1]);
    change('a');
    my ($entry) = entries($servers[1]);
    ok defined $entry, '... which the other one does not know';
    $servers[0]->kill;
    follow($servers[2], $servers[1]);
    is_at($servers[1], 'it fails over');
    is get($t, 'a')->{json}{name}, 'new', 'nobody gets the old answer';
    keeps('a');

    # the same two processes take turns
    $servers[0]->start;
    follow($servers[0], $servers[1]);
    kept('b', $servers[1]);
    promote($servers[0]);
    change('b');
    follow($servers[1], $servers[0]);
    moves_to($servers[0]);
    is_at($servers[0], 'another takes over');
    promote($servers[1]);
    follow($servers[0], $servers[1]);
    moves_to($servers[1]);
    is_at($servers[1], '... and gives it back');
    is get($t, 'b')->{json}{name}, 'new', 'nobody gets what it kept before';
    keeps('b');

    # a write whose mark the next master has, and not its end
    kept('d', $servers[1]);
    answers('d', 'old', hold => 'write');
    my $ends = $t->connect;
    $ends->send($t->bytes(PATCH => path('d'), key => 'admin',
        json => { name => 'x' }));
    $t->sandbox->wait(held => 1);
    wait_until('the mark to be everywhere', sub {
        grep { /:mark:/ } @{ $servers[0]->command('KEYS', '*') };
    });
    promote($servers[0]);
    $t->sandbox->release('write');
    is $ends->answer->{status}, 200, 'a write ends at a master that was';
    $ends->close;
    wait_until('no mark', sub {
        !grep { /:mark:/ } @{ $servers[1]->command('KEYS', '*') };
    });
    ok scalar(grep { /:mark:/ } @{ $servers[0]->command('KEYS', '*') }),
        '... which the next one does not know';
    follow($servers[1], $servers[0]);
    moves_to($servers[0]);
    is_at($servers[0], '... as another takes over');
    answers('d', 'new');
    is get($t, 'd')->{json}{name}, 'new', '... the new answer is got';
    keeps('d');
    promote($servers[1]);
    follow($servers[0], $servers[1]);
    moves_to($servers[1]);
    is_at($servers[1], '... and gives it back');

    # a write that is under way while the master changes
    kept('c', $servers[1]);
    answers('c', 'old', hold => 'write');
    my $writer = $t->connect;
    $writer->send($t->bytes(PATCH => path('c'), key => 'admin',
        json => { name => 'x' }));
    $t->sandbox->wait(held => 1);
    promote($servers[0]);
    $servers[0]->command('FLUSHALL');
    follow($servers[1], $servers[0]);
    moves_to($servers[0]);
    is_at($servers[0], 'a write is under way while the master changes');
    is get($t, 'c')->{json}{name}, 'old', '... it has not happened yet';
    answers('c', 'new');
    $t->sandbox->release('write');
    is $writer->answer->{status}, 200, '... and now it has';
    is get($t, 'c')->{json}{name}, 'new', '... as everybody sees';
    $writer->close;

    $t->stop;
}


# who may not ask for roles finds out by the first write
{
    $t = fixture([1, 0], options => 'user=gate password_file=word',
        prepare => sub {
            $set = Proctor::Test::Replicas->new(dir => "$_[0]{dir}/redis");
            @servers = $set->servers;
            $_->command(qw(ACL SETUSER gate on >word ~* &* +@all -info))
                for @servers;
            $_[0]->write_file('word', "word\n");
        },
        teams => sub {
            $_[0]{teams}{alpha}{quotas}
                = [{ name => 'calls', limit => 9999, per => '1m' }];
        });

    is redis($t)->{address}, "127.0.0.1:$servers[1]{port}",
        'a user who may not ask takes the first server';
    is redis($t)->{state}, 'ready', '... for what it is';
    get($t, 'a');
    is_at($servers[0], '... until it says READONLY');

    $t->stop;
}

done_testing;
