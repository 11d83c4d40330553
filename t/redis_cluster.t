use strict;
use warnings;

# A Redis Cluster: three masters with a replica each, and one server more.  A
# team's quotas are on one of them and its account's answers on another, so that
# a call's round trip is two.  A server is killed, or replaced as planned; slots
# move, also to a server that nobody knew: each meets a gateway that is asked
# one thing after the other, then one of which 32 connections read and write at
# once.  A read is always answered, with nothing that is old or foreign; a write
# is done or refused with 503 and a Retry-After; nothing hangs; and soon after
# the cluster is whole all accounts have answers from the cache again.
#
#   PROCTOR_LONG=1   five rounds

use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp;
use JSON::PP;
use List::Util qw(max sum);
use Proctor::Test;
use Proctor::Test::Cluster;
use Proctor::Test::Crowd;
use Proctor::Test::Status qw(becomes redis);
use Proctor::Test::Versions;
use Proctor::Test::Wait qw(freeze wait_until);
use Test::More;
use Time::HiRes qw(time);

my $slow = $ENV{ASAN_OPTIONS} ? 4 : 1;
my %load = (idle => 1, 'under load' => 32); # calls at once
my $budget = 300;

my $dir = File::Temp->newdir('proctor-cluster-XXXXXXXX', TMPDIR => 1);
my $cluster = Proctor::Test::Cluster->new(dir => "$dir/redis", spare => 1);
my @masters = ($cluster->servers)[0 .. 2];
my @accounts = map { $cluster->name_at('a', $_) } @masters;
my @teams = map { $cluster->name_at('t', $_) } @masters[1, 2, 0];
my $upstream = Proctor::Test::Versions->new(delay => 0.005);
my $t = fixture(join ' ', ($cluster->addresses)[4, 1], 'cluster=on');
my ($worker) = $t->nginx->workers;
my $crowd = Proctor::Test::Crowd->new;
my (%floor, %seen, @wrong, %hits);
my ($slowest, $write) = (0, 0); # the next one's time

my @faults = (
    ['a master is killed', \&killed],
    ['a master is stopped', \&stopped],
    ['a master is replaced as planned', \&replaced],
    ['an account moves', sub { moved($_[0], $accounts[0]) }],
    ['a team moves', sub { moved($_[0], $teams[0]) }],
);


# as it should be
{
    my $said = becomes($t, 'ready');
    my @nodes = @{ $said->{nodes} };
    is scalar(@nodes), 3, 'of two addresses three masters are found';
    is sum(map { $_->{slots} } @nodes), 16384, '... which have all slots';
    is join(' ', map { $_->{state} } @nodes), 'ready ready ready',
        '... and are ready';
    is $said->{ping}, 'reply', '... and answer';

    my $owners = join ' ', map { $cluster->owner(slot($_))->{port} } @accounts;
    is $owners, join(' ', map { $_->{port} } @masters),
        'three accounts are on three servers';

    hits_everywhere('under load');
    ask_until('under load', 'writes', sub { ($seen{'PATCH 200'} // 0) > 5 });
    land();
    $said = redis($t);
    is $said->{redirects}, 0, 'nothing was sent elsewhere';
    is sum(values %{ $said->{errors} }), 0,
        '... and all keys of each command are in one slot';
    my %tags = map { /\{(\w+)\}/ ? ($1 => 1) : () } keys_at($masters[0]);
    is join(' ', sort keys %tags), "$accounts[0] $teams[2]",
        'each key is where its account or its team is';
}

land();
my $descriptors = descriptors();

for (1 .. ($ENV{PROCTOR_LONG} ? 5 : 1)) {
    for my $how (sort keys %load) {
        befalls($how, @$_) for grep {
            $how ne 'idle' || $ENV{PROCTOR_LONG} || $_->[1] != \&stopped
        } @faults;
    }
}


# a server that nobody knew
{
    my $new = ($cluster->servers)[-1];
    befalls('under load', 'a server is added', sub {
        moved($_[0], $accounts[1], $new);
        moved($_[0], $teams[1], $new);
    });
    ok eval { wait_until('two slots', sub {
        grep { $_->{address} =~ /:$new->{port}\z/ && $_->{slots} == 2 }
            @{ redis($t)->{nodes} };
    }) }, '... and is one of the nodes';
}


# an answer that the next master has, and not that it is old
{
    my ($path, $slot) = ('/api/v2/experiments/exp_0/', slot($accounts[2]));
    my $master = $cluster->owner($slot);
    my ($replica) = grep { Proctor::Test::Cluster::follows($_, $master) }
        $cluster->servers;
    my $read = sub { $t->request(GET => $path, key => 'k2') };

    wait_until('a hit', sub {
        $read->()->{headers}{'cache-status'} =~ /\bhit\b/ });
    my @kept = grep { /\{$accounts[2]\}:res:/ } keys_at($master);
    wait_until('the replica to have it', sub {
        @kept == grep { /\{$accounts[2]\}:res:/ } keys_at($replica) });

    # it cannot come back: it has no password
    $master->command(qw(CONFIG SET requirepass word));
    $master->{login} = ['AUTH', 'word'];
    $master->command(qw(CLIENT KILL TYPE replica));
    my $r = wait_until('a write that the replica does not hear of', sub {
        my $r = $t->request(PATCH => $path, key => 'k2',
            json => { name => 'x' });
        return $r->{status} == 200 && $r;
    });
    $master->kill;
    wait_until('another master',
        sub { ($cluster->owner($slot) // 0) == $replica }, 30);
    becomes($t, 'ready');
    is $read->()->{json}{count}, $r->{json}{count},
        'a write that the replica did not hear of is not forgotten by it';

    delete $master->{login};
    $master->start;
    $cluster->settle;
}


# a counter that is where another server says
{
    my $slot = slot('exact');
    my $from = $cluster->owner($slot);
    my ($to) = grep { $_ != $from && leads($_) } $cluster->servers;
    my %said;

    ask_exactly(\%said, 1) for 1 .. 2;
    $cluster->open($slot, $from, $to);
    $cluster->carry($slot, $from, $to);
    ask_exactly(\%said, 1);
    is_deeply \%said, { 200 => 3 }, 'a server that is asked for this once';
    $budget -= 3;
    $cluster->close($slot, $from, $to);
}


# a budget is what it is, wherever it is counted
{
    my %said;
    my $slot = slot('exact');
    my $open;

    wait_until('the budget to be spent', sub {
        my ($from, $to) = ($cluster->owner($slot), ($cluster->servers)[-1]);
        ($to) = grep { $_ != $from && leads($_) }
            $cluster->servers if $from == $to;

        $cluster->open($slot, $from, $to);
        ask_exactly(\%said, 20);
        $cluster->carry($slot, $from, $to, 1);
        ask_exactly(\%said, 20);
        $cluster->close($slot, $from, $to);
        ask_exactly(\%said, 20);
        return ($said{429} // 0) > 100;
    }, 60);

    is $said{200}, $budget, "a budget of $budget lets in $budget, "
        . 'while its counters move to and fro';
    is join(' ', grep { !/\A(?:200|429|503)\z/ } keys %said), '',
        '... and nothing else is said but that it is spent, or not known';
    cmp_ok redis($t)->{redirects}, '>', 10, '... for which servers were asked '
        . 'that another had named';
}

land();
is join(' ', $t->nginx->workers), $worker, 'it is the same worker all the time';
# nodes that are no more are forgotten after a while; the new one stays
cmp_ok wait_until('descriptors to be closed',
    sub { descriptors() <= $descriptors + 1 && descriptors() }, 20), '<=',
    $descriptors + 1, 'with no more descriptors than at first';
is_deeply [map { no_end($_) } $cluster->servers], [], 'no key is for ever';
is scalar(grep { /:audit\z/ } map { keys_at($_) } grep { leads($_) }
    $cluster->servers), 4, '... but the streams';
$t->stop;


# a gateway that does not know of clusters asks one server, which others replace
{
    my $port = $cluster->owner(slot($accounts[0]))->{port};
    $t = fixture("127.0.0.1:$port");
    is becomes($t, 'ready')->{ping}, 'reply', 'a server of a cluster, alone';
    %hits = ();
    ask_until('under load', 'hits of one account',
        sub { $hits{ $accounts[0] } });

    (%seen, @wrong) = ();
    my $end = killed('under load');
    ask_until('under load', 'nothing', sub { 0 }, 0.5);
    $end->();
    ask_until('under load', 'nothing', sub { 0 }, 0.5);
    land();

    my @bad = grep { !/\A(?:GET 200|PATCH 200|PATCH 503)\z/ } sort keys %seen;
    is join(' ', @bad), '', '... is killed: calls are answered all the same';
    is_deeply \@wrong, [], '... with nothing old and nothing foreign';
    is scalar($t->nginx->log_lines(qr/MOVED: a cluster needs cluster=on/)), 1,
        '... and the log says what it needs';
}

$t->done;


sub slot  { return Proctor::Test::Cluster::slot(@_) }
sub leads { return Proctor::Test::Cluster::leads(@_) }


sub killed {
    my ($how) = @_;

    my $slot = slot($accounts[0]);
    my $old = $cluster->owner($slot);
    $old->kill;
    ask_until($how, 'another master', sub { $cluster->owner($slot) });
    return sub { $old->start; $cluster->settle };
}


# It thinks that it is one when it goes on, for a moment.
sub stopped {
    my ($how) = @_;

    my $slot = slot($accounts[0]);
    my $old = $cluster->owner($slot);
    freeze($old->pid);
    ask_until($how, 'another master', sub { $cluster->owner($slot) });
    return sub {
        $old->thaw;
        ask_until($how, 'nothing', sub { 0 }, 0.5);
        $cluster->settle;
    };
}


sub replaced {
    my ($how) = @_;

    my $slot = slot($accounts[0]);
    my $old = $cluster->owner($slot);
    my ($new) = grep { Proctor::Test::Cluster::follows($_, $old) }
        $cluster->servers;

    my $again = 0;
    ask_until($how, 'another master', sub {
        $new->try('CLUSTER', 'FAILOVER') if time > $again;
        $again = time + 1 if time > $again;
        return leads($new);
    });
    return sub { $cluster->settle };
}


# Its slot goes to another server, key by key.
sub moved {
    my ($how, $name, $to) = @_;

    my $slot = slot($name);
    my $from = $cluster->owner($slot);
    ($to) = grep { $_ != $from && leads($_) }
        ($cluster->servers)[0 .. 5] unless $to;

    $cluster->open($slot, $from, $to);
    ask_until($how, 'nothing', sub { 0 }, 0.2);
    for (1 .. 5) {
        $cluster->carry($slot, $from, $to, 1);
        ask_until($how, 'nothing', sub { 0 }, 0.1);
    }
    $cluster->close($slot, $from, $to);
    return sub { };
}


sub befalls {
    my ($how, $what, $fault) = @_;

    (%seen, @wrong) = ();
    $slowest = 0;
    my $end = $fault->($how);

    my $since = time;
    ask_until($how, 'the gateway', sub { redis($t)->{state} eq 'ready' });
    cmp_ok time - $since, '<', 1.5 * $slow, "$what, $how: it is ready";
    hits_everywhere($how);
    land();
    $end->();
    ask_until($how, 'the gateway', sub { redis($t)->{state} eq 'ready' });

    my @bad = grep { !/\A(?:GET 200|PATCH 200|PATCH 503)\z/ } sort keys %seen;
    is join(' ', @bad), '', '... every call is answered as it should be';
    is_deeply \@wrong, [], '... nothing old and nothing foreign';
    cmp_ok $slowest, '<', 2 * $slow, '... nothing hangs';
}


# Calls go on meanwhile.
sub ask_until {
    my ($how, $what, $check, $seconds) = @_;

    my $end = time + ($seconds // 30);
    until ($check->()) {
        return if time > $end && defined $seconds;
        die "waited in vain for $what\n" if time > $end;
        ask() while $crowd->flying < $load{$how};
        $crowd->turn(0.02);
    }
}


sub land { $crowd->turn(0.05) while $crowd->flying }


sub hits_everywhere {
    my ($how) = @_;

    %hits = ();
    ask_until($how, 'hits of all accounts',
        sub { !grep { !$hits{$_} } @accounts });
}


# So many calls of the team with a budget, all at once.
sub ask_exactly {
    my ($said, $n) = @_;

    for (1 .. $n) {
        $crowd->ask($t->port,
            $t->bytes(GET => '/api/v2/experiments/exact_0/', key => 'exact',
                headers => [Connection => 'close']),
            sub { $said->{ $_[0] ? $_[0]{status} : 'none' }++ });
    }
    land();
}


sub keys_at { return @{ $_[0]->command('KEYS', 'proctor:*') } }


sub no_end {
    my ($server) = @_;

    return () unless leads($server);
    return grep { !/:audit\z/ && $server->command('PTTL', $_) == -1 }
        keys_at($server);
}


sub fixture {
    my ($servers) = @_;

    return Proctor::Test->new(
        log_level => 'notice',
        teams     => sub {
            my ($data, $teams) = @_;
            for my $i (0 .. 2) {
                $data->{accounts}{ $accounts[$i] } = { contract => 'respan',
                    keys   => [{ env => "UPSTREAM_$i" }],
                    limits => [{ limit => 10_000_000, per => '1m' }] };
                $data->{teams}{ $teams[$i] } = {
                    accounts => { respan => $accounts[$i] },
                    keys     => [$teams->key("k$i")],
                    quotas   => [
                        { name => 'calls', limit => 10_000_000, per => '1m' },
                        { name => 'changes', limit => 10_000_000, per => '1d',
                            operations => ['experiment.update'],
                            charge => 'accepted' },
                    ],
                };
            }
            $data->{teams}{exact} = {
                accounts => { respan => $accounts[0] },
                keys     => [$teams->key('exact')],
                quotas   => [{ name => 'calls', limit => $budget, per => '1h' }],
            };
        },
        env           => { map { ("UPSTREAM_$_" => "sk_$_") } 0 .. 2 },
        echoes        => 1,
        audit_options => 'stream=on',
        http          => sub {
            "proctor_zone main:1m; proctor_redis $servers timeout="
                . 50 * $slow . "ms connect_timeout=" . 100 * $slow . "ms;\n"
                . 'upstream versions { server 127.0.0.1:' . $upstream->port
                . " max_fails=0; }\n";
        },
        locations => Proctor::Test::Status::location() . <<'EOT',
        location ^~ /api/v2/experiments/exp_ {
            proctor respan;
            proxy_pass http://versions;
        }
        location ^~ /api/v2/experiments/exact_ {
            proctor respan;
            proctor_quota_on_error closed;
            proxy_pass http://versions;
        }
EOT
    );
}


sub descriptors { return scalar(() = glob "/proc/$worker/fd/*") }


sub ask {
    my $i = int rand 3;
    my $method = time > $write && rand() < 0.1 ? 'PATCH' : 'GET';
    $write = time + 0.03 * $slow if $method eq 'PATCH';
    my $path = '/api/v2/experiments/exp_' . int(rand 2) . '/';
    my $floor = $floor{"$i$path"} // 0;

    $crowd->ask($t->port,
        $t->bytes($method => $path, key => "k$i",
            headers => [Connection => 'close'],
            $method eq 'PATCH' ? (json => { name => 'another' }) : ()),
        sub {
            my ($answer) = @_;
            $seen{ "$method " . ($answer ? $answer->{status} : 'none') }++;
            judge($answer, $i, $path, $floor) if $answer;
        });
}


sub judge {
    my ($answer, $i, $path, $floor) = @_;

    $slowest = max($slowest, time - $answer->{since});
    push @wrong, "503 without Retry-After\n"
        if $answer->{status} == 503 && $answer->{head} !~ /^Retry-After: \d/mi;
    return if $answer->{status} != 200;

    $hits{ $accounts[$i] }++
        if $answer->{head} =~ /^Cache-Status: .*\bhit\b/mi;
    my $data = decode_json($answer->{body});
    push @wrong, "$i$path: $data->{count} < $floor\n$answer->{head}\n"
        if $data->{count} < $floor;
    push @wrong, "$data->{account}\n" if $data->{account} ne "sk_$i";
    $floor{"$i$path"} = max($floor{"$i$path"} // 0, $data->{count});
}
