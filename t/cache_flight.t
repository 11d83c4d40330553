use strict;
use warnings;

# Single flight: of many who miss the same entry on one machine one asks
# upstream, whatever becomes of it.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test::Cache;
use Proctor::Test::Wait qw(freeze wait_until);
use Test::More;
use Time::HiRes qw(time);

my $redis = redis();
our $t = gateway($redis, workers => 4, listen => 'backlog=2048');
my $serial = 0;


sub fresh_id { 'f' . ++$serial }


# The same question on so many connections, all of which are there before the
# first is asked; two processes have half of them each.  What became of it:
# "19 x 200 collapsed, 1 x 200 uri-miss".
sub crowd {
    my ($n, $id, $meanwhile) = @_;

    my @children = map { child($n / 2, $id) } 0, 1;

    for my $child (@children) {
        readline $child->{from};
    }
    for my $child (@children) {
        syswrite $child->{go}, "\n";
    }
    $meanwhile->() if $meanwhile;

    my %count;
    for my $child (@children) {
        while (readline $child->{from}) {
            $count{$1} += $2 if /\A(.*)=(\d+)\n/;
        }
        waitpid $child->{pid}, 0;
    }
    return join ', ', map { "$count{$_} x $_" }
        sort { $count{$b} <=> $count{$a} } keys %count;
}


sub child {
    my ($n, $id) = @_;

    pipe my $from, my $to or die "pipe: $!\n";
    pipe my $wait, my $go or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    return { pid => $pid, from => $from, go => $go } if $pid;

    my @conns = map { $t->connect } 1 .. $n;
    syswrite $to, "ready\n";
    sysread $wait, my $word, 1;

    for my $conn (@conns) {
        $conn->{timeout} = 30;
        $conn->send($t->bytes(GET => path($id), key => 'admin',
            rid => "crowd-$id", headers => ['Connection', 'close']));
    }

    my %count;
    for my $conn (@conns) {
        my $r = eval { $conn->answer(method => 'GET') };
        $count{ $r ? "$r->{status} " . how($r) : 'none' }++;
        $conn->close;
    }
    syswrite $to, join '', map { "$_=$count{$_}\n" } keys %count;
    kill 'KILL', $$;
}


# whether the process has a connection to the port
sub connected {
    my ($pid, $port) = @_;

    my %inodes = map { readlink($_) =~ /socket:\[(\d+)\]/ ? ($1 => 1) : () }
        glob "/proc/$pid/fd/*";
    open my $fh, '<', '/proc/net/tcp' or die "tcp: $!\n";
    my $hex = sprintf '%04X', $port;
    return grep {
        my @field = split;
        $field[2] =~ /:$hex\z/ && $inodes{ $field[9] // '' };
    } <$fh>;
}


sub asked { scalar(my @got = $t->upstream("crowd-$_[0]")) }


# all that is to be asked has been asked
sub following {
    my ($n) = @_;

    wait_until("$n to wait", sub {
        my $page = $t->request(GET => '/proctor-status')->{json};
        return $page->{cache}{waits} >= $n;
    }, 30);
}


# 1,000 at once
{
    my $id = fresh_id();
    upstream($t, $id, hold => 'one', json => { a => 'x' x 1600 });
    my $before = counter($t, 'waits');
    my $what = crowd(1000, $id, sub {
        $t->sandbox->wait(held => 1);
        following($before + 999);
        $t->sandbox->release('one');
    });
    is asked($id), 1, '1,000 cold reads of one key make one call';
    is $what, '999 x 200 collapsed, 1 x 200 uri-miss', '... and all are answered';
}


# an answer that cannot be shared
{
    my $id = fresh_id();
    upstream($t, $id, hold => 'own', headers => { 'Cache-Control' => 'no-store' });
    my $before = counter($t, 'waits');
    my $start;
    my $what = crowd(100, $id, sub {
        $t->sandbox->wait(held => 1);
        following($before + 99);
        $start = time;
        $t->sandbox->release('own');
        $t->sandbox->wait(held => 99);
        $t->sandbox->release('own');
    });
    is asked($id), 100, 'what cannot be shared everybody asks for';
    is $what, '100 x 200 uri-miss', '... at once';

    $t->sandbox->clear;
    upstream($t, $id, headers => { 'Cache-Control' => 'no-store' });
    my $waits = counter($t, 'waits');
    get($t, $id) for 1 .. 3;
    is counter($t, 'waits'), $waits, '... and nobody waits for it again';
}


# an upstream that fails
{
    my $id = fresh_id();
    upstream($t, $id, hold => 'fails', status => 500, json => {});
    my $before = counter($t, 'waits');
    my $what = crowd(20, $id, sub {
        $t->sandbox->wait(held => 1);
        following($before + 19);
        $t->sandbox->clear;
        upstream($t, $id);
        $t->sandbox->release('fails');
    });
    is $what, '19 x 200 uri-miss, 1 x 500 uri-miss',
        'after a failure the others ask for themselves';
}


# a leader whose client leaves
{
    my $id = fresh_id();
    upstream($t, $id, hold => 'left');
    my $leader = $t->connect;
    $leader->send($t->bytes(GET => path($id), key => 'admin',
        rid => "crowd-$id"));
    $t->sandbox->wait(held => 1);
    my $before = counter($t, 'waits');
    my $what = crowd(20, $id, sub {
        following($before + 20);
        $leader->half_close; # the crowd holds it, too
        wait_until('another to lead', sub { asked($id) == 2 });
        $t->sandbox->wait(held => 1);
        $t->sandbox->release('left');
    });
    is $what, '19 x 200 collapsed, 1 x 200 uri-miss',
        'when the leader\'s client leaves another leads';
    is asked($id), 2, '... and only one';
}


# no flight without Redis, and none blocks another key
{
    my $id = fresh_id();
    my $other = fresh_id();
    upstream($t, $id, hold => 'slow');
    upstream($t, $other);
    my $conn = $t->connect;
    $conn->send($t->bytes(GET => path($id), key => 'admin', rid => $t->rid));
    $t->sandbox->wait(held => 1);
    is how(get($t, $other)), 'uri-miss', 'another key does not wait';
    is state(get($t, $other)), 'hit', '... and is stored';
    is how(get($t, $id, headers => ['Cache-Control', 'only-if-cached'])), '',
        'only-if-cached waits for nobody';
    $t->sandbox->release('slow');
    $conn->answer;
    $conn->close;
}


# a leader whose worker is killed
{
    my $c = gateway($redis, workers => 2);
    push @{ $c->nginx->{expected} }, qr/exited on signal 9|was locked by/;
    local $t = $c;
    my $id = fresh_id();
    upstream($c, $id, hold => 'dead');
    my %before = map { $_ => 1 } $c->nginx->workers;

    my $leader = $c->connect;
    $leader->send($c->bytes(GET => path($id), key => 'admin',
        rid => "crowd-$id"));
    $c->sandbox->wait(held => 1);
    my ($busy) = grep { connected($_, $c->sandbox->port) } keys %before;
    freeze($busy);
    my $what = crowd(10, $id, sub {
        following(10);
        kill 'KILL', $busy;
        wait_until('another to lead', sub { asked($id) == 2 }, 3);
        $c->sandbox->release('dead');
    });
    is $what, '9 x 200 collapsed, 1 x 200 uri-miss',
        'a leader that dies is followed by another';
    $leader->close;
    $c->nginx->stop;
    $c->stop;
}


# who asked Redis before the leader's answer was there, and heard after it: the
# worker is stopped with "there is none" in its socket
{
    my $c = gateway($redis, workers => 2, timeout => '4s');
    my ($id, %conns) = (fresh_id());
    upstream($c, $id);

    wait_until('two connections to each worker', sub {
        my $conn = $c->connect;
        my $pid = $c->request(GET => '/proctor-status', conn => $conn)
            ->{json}{pid};
        push @{ $conns{$pid} }, $conn;
        return 2 == grep { @$_ > 1 } values %conns;
    });
    my ($late, $early) = keys %conns;
    my $ask = sub {
        $conns{ $_[0] }[0]->send($c->bytes(GET => path($id), key => 'admin',
            rid => "crowd-$id"));
    };
    my $said = sub {
        return how(Proctor::Test::finish(
            $conns{ $_[0] }[0]->answer(method => 'GET')));
    };

    my $before = $redis->calls->{mget} // 0;
    $redis->freeze;
    $ask->($late);
    $c->request(GET => '/none', conn => $conns{$late}[1])
        for 1 .. 2; # two turns of its loop later it has asked Redis
    freeze($late);
    $redis->thaw;
    wait_until('Redis to have answered',
        sub { ($redis->calls->{mget} // 0) == $before + 1 });

    my $entries = entries($redis);
    $ask->($early);
    is $said->($early), 'uri-miss', 'one leads and stores';
    wait_until('it to be stored', sub { entries($redis) > $entries });
    kill 'CONT', $late;
    is $said->($late), 'collapsed', '... who had asked before looks again';
    local $t = $c;
    is asked($id), 1, '... and makes no second call';

    $_->close for map { @$_ } values %conns;
    $c->stop;
}


$t->done;
