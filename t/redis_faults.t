use strict;
use warnings;

# What can befall Redis, or the way to it: one table of faults, and each meets a
# gateway that is asked one thing after the other, then one of which 32
# connections read and write at once.  A read is always answered, with nothing
# that is old or foreign; a write is done or refused with 503 and a Retry-After;
# nothing hangs; and when the fault is over, answers come from the cache again,
# with the same worker, and as many descriptors and as much memory as before.
#
#   PROCTOR_LONG=1   each three times, in any order
#
# t/redis.t and t/redis_lies.t look closer at what the client makes of each.

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::UNIX;
use JSON::PP;
use List::Util qw(max shuffle sum);
use POSIX ();
use Proctor::Test;
use Proctor::Test::Crowd;
use Proctor::Test::Redis;
use Proctor::Test::Status qw(becomes recovers);
use Proctor::Test::ToxicRedis;
use Proctor::Test::Versions;
use Proctor::Test::Wait qw(wait_until);
use Test::More;
use Time::HiRes qw(time);

my $slow = $ENV{ASAN_OPTIONS} ? 4 : 1;
my %load = ( # before, in and after each fault: calls at once, seconds
    idle         => [1, 0.15 * $slow],
    'under load' => [32, 0.5],
);

my $timeout = 50 * $slow; # ms
my ($redis, $toxic, $only);

my @faults = (
    ['killed and started again', sub { $redis->kill },
        sub { $redis->start }],
    ['stopped', sub { $redis->freeze }, sub { $redis->thaw }],
    ['pausing all clients', sub { said('CLIENT', 'PAUSE', 700, 'ALL') },
        sub { }],
    ['asleep', sub { hold($redis->begin('DEBUG', 'SLEEP', 0.7)) },
        sub { }],
    ['full', sub { config('maxmemory', 1) }, sub { config('maxmemory', 0) }],
    ['without a disk',
        sub { mkdir "$redis->{dir}/dump.rdb"; config('save', '3600 1');
            said('SET', 'x', 1, 'PX', 60000);
            $redis->try('BGSAVE');
            wait_until('MISCONF', sub {
                my $reply = $redis->try('SET', 'x', 1, 'PX', 60000);
                return ref $reply && $$reply =~ /MISCONF/;
            }) },
        sub { config('save', ''); rmdir "$redis->{dir}/dump.rdb" }],
    ['a replica of nobody', sub { said('REPLICAOF', '127.0.0.1', 1) },
        sub { said('REPLICAOF', 'NO', 'ONE') }],
    ['a replica that says nothing',
        sub { config('replica-serve-stale-data', 'no');
            said('REPLICAOF', '127.0.0.1', 1) },
        sub { said('REPLICAOF', 'NO', 'ONE');
            config('replica-serve-stale-data', 'yes') }],
    ['without its replicas', sub { config('min-replicas-to-write', 1) },
        sub { config('min-replicas-to-write', 0) }],
    ['busy with a script',
        sub { config('busy-reply-threshold', 50);
            hold($redis->begin('EVAL', 'while true do end', 0)) },
        sub { wait_until('the script to end', sub {
            my $reply = $redis->try('SCRIPT', 'KILL');
            return !ref $reply || $$reply =~ /NOTBUSY/ }) }],
    ['without its scripts', sub { said('SCRIPT', 'FLUSH') }, sub { }],
    ['emptied', sub { said('FLUSHALL') }, sub { }],
    ['cutting all connections', sub { said('CLIENT', 'KILL', 'TYPE', 'normal')
        for 1 .. 5 }, sub { }],
    ['with other things under our keys', \&scramble, sub { }],
    ['killed again and again',
        sub { for (1 .. 3) { $redis->kill; $redis->start } },
        sub { }],
    ['loading', \&reload, sub {
        wait_until('it to have loaded', sub { !ref said('PING') }, 30);
        said('FLUSHALL'); unlink "$redis->{dir}/dump.rdb" }],
    ['closed to its user', sub { said(qw(ACL SETUSER gate -@all +ping)) },
        sub { said(qw(ACL SETUSER gate +@all)) }],
    ['without its user', sub { said(qw(ACL SETUSER gate off));
        said(qw(CLIENT KILL USER gate)) },
        sub { said(qw(ACL SETUSER gate on)) }],
    ['with no room for a client',
        sub { $only = $redis->connection;
            ask_on($only, qw(CONFIG SET maxclients 1));
            ask_on($only, qw(CLIENT KILL TYPE normal SKIPME yes)) },
        sub { ask_on($only, qw(CONFIG SET maxclients 10000)) }],
    ['a cluster that has none of our slots',
        sub { restart('--cluster-enabled', 'yes') }, sub { restart() }],
    toxic('moved', answer => "-MOVED 3999 127.0.0.1:6381\r\n",
        to => ['MGET', 'EVALSHA', 'EVAL']),
    toxic('late by 1 to 40 ms', latency => 0.001, jitter => 0.039),
    toxic('late by more than its time', latency => 2 * $timeout / 1000),
    toxic('a byte a millisecond', slicer => 0.001),
    toxic('silent', silent => 1),
    ['not read from, until it has enough of that',
        sub { config('client-output-buffer-limit', 'normal 20000 0 0');
            $toxic->turns(deaf => 1) },
        sub { $toxic->turns;
            config('client-output-buffer-limit', 'normal 0 0 0') }],
    toxic('no more to be connected to', refuse => 1, close => 100),
    (map { toxic("reset after $_ bytes", reset => $_) } 0, 1, 700),
    (map { toxic("ended after $_ bytes", close => $_) } 5, 1900),
    toxic('flipping bits of entries', corrupt => 1),
    toxic('giving each reply twice', twice => 1),
    toxic('giving entries in another order', swap => 'MGET'),
    toxic('speaking another language', inject => "HTTP/1.1 200 OK\r\n"),
    toxic('pushing', inject => ">2\r\n+message\r\n+x\r\n"),
    toxic('announcing half a gigabyte', to => ['MGET'],
        answer => "\$536870912\r\n" . 'x' x 65536),
    toxic('announcing 10^8 elements', to => ['MGET'],
        answer => "*100000000\r\n"),
    ['there for a worker that is stopped', \&stop_worker, sub { }],
);

# These a read does without a word, or may, when it is the only one.
my %borne = map { $_ => 1 } 'emptied', 'full', 'late by 1 to 40 ms',
    'with other things under our keys', 'flipping bits of entries',
    'there for a worker that is stopped';

my (%floor, @wrong, $hits, $slowest, @held);
my $upstream = Proctor::Test::Versions->new(delay => 0.005);
my $t = fixture();
my $crowd = Proctor::Test::Crowd->new;
my ($worker) = $t->nginx->workers;

load('under load');
cmp_ok $hits, '>', 10, 'answers come from the cache';
my ($descriptors, $memory) = (descriptors(), memory());

for (1 .. ($ENV{PROCTOR_LONG} ? 3 : 1)) {
    my @order = $ENV{PROCTOR_LONG} ? shuffle(@faults) : @faults;
    for my $how (sort keys %load) {
        befalls($how, @$_) for @order;
    }
}

is join(' ', $t->nginx->workers), $worker, 'it is the same worker all the time';
cmp_ok wait_until('descriptors to be closed',
    sub { descriptors() <= $descriptors && descriptors() }), '<=', $descriptors,
    'with no more descriptors than at first';
cmp_ok memory() - $memory, '<', 16384, '... and as much memory (KB)'
    if defined $memory;

$t->done;


sub befalls {
    my ($how, $what, $begin, $end) = @_;

    my $felt = felt();
    $begin->();
    my $during = load($how);
    for (1 .. 20) { # what needs so many bytes needs more of it where all is slow
        last if $borne{$what} || felt() > $felt;
        $during = { %$during, %{ load($how) } };
    }
    $end->();
    @held = ();

    my @bad = grep { !/\A(?:GET 200|PATCH 200|PATCH 503)\z/ } sort keys %$during;
    ok defined recovers($t, 1.5 * $slow),
        "$what, $how: it recovers";
    wait_until('answers from the cache again',
        sub { load($how, 'a hit'); return $hits }, 20);

    ok felt() > $felt, "... $what was felt" unless $borne{$what};
    is join(' ', @bad), '', '... every call is answered as it should be';
    is_deeply \@wrong, [], '... nothing old and nothing foreign';
    cmp_ok $slowest, '<', 2 * $slow, '... nothing hangs';
    @wrong = ();
}


# a fault of the way there
sub toxic {
    my ($what, %poison) = @_;

    return [$what, sub { $toxic->turns(%poison) }, sub { $toxic->turns }];
}


sub fixture {
    my $t = Proctor::Test->new(
        log_level => 'notice',
        teams     => sub {
            my ($data, $teams) = @_;
            $data->{teams}{alpha}{quotas}
                = [{ name => 'calls', limit => 10_000_000, per => '1m' }];
        },
        echoes  => 1,
        prepare => sub {
            $redis = Proctor::Test::Redis->new(dir => "$_[0]{dir}/redis",
                args => ['--user', qw(gate on >word ~* &* +@all)]);
            $toxic = Proctor::Test::ToxicRedis->new(to => $redis->socket);
            $_[0]->write_file('word', "word\n");
        },
        http => sub {
            'proctor_zone main:1m; proctor_redis 127.0.0.1:' . $toxic->port
                . ' user=gate password_file=word max_reply=1m timeout='
                . $timeout . "ms;\n"
                . 'upstream versions { server 127.0.0.1:' . $upstream->port
                . " max_fails=0; keepalive 16; }\n";
        },
        locations => Proctor::Test::Status::location() . <<'EOT',
        location ^~ /api/v2/experiments/exp_ {
            proctor respan;
            proxy_pass http://versions;
        }
EOT
    );
    becomes($t, 'ready');
    return $t;
}


sub said   { $redis->try(@_) }
sub config { said('CONFIG', 'SET', @_) }
sub hold   { push @held, @_ }


sub ask_on {
    my ($socket, @command) = @_;

    print {$socket} Proctor::Test::Redis::render(@command);
    $socket->flush;
    return Proctor::Test::Redis::reply($socket);
}


sub restart {
    my (@args) = @_;

    $redis->kill;
    $redis->start(@args);
}


# Started again with so much that it takes a second to load.
sub reload {
    said('DEBUG', 'POPULATE', 20000);
    said('SAVE');
    restart('--key-load-delay', 50,
        '--loading-process-events-interval-bytes', 1024);
}


# For half a second.
sub stop_worker {
    kill 'STOP', $worker;
    my $pid = fork // die "fork: $!\n";
    return if $pid;
    select undef, undef, undef, 0.5;
    kill 'CONT', $worker;
    kill 'KILL', $$;
}


# A list where a string was, and a string where a hash was.
sub scramble {
    for my $key (@{ said('KEYS', 'proctor:*') }) {
        my $type = said('TYPE', $key);
        said('DEL', $key);
        said($type eq 'string' ? ('RPUSH', $key, 'x') : ('SET', $key, 'x'));
        said('PEXPIRE', $key, 60000);
    }
}


# What the client made of it: commands that failed or were not sent.
sub felt {
    my $page = $t->request(GET => '/proctor-status')->{json};
    my $redis = $page->{redis};

    return sum(@$redis{qw(timeouts losses declined resent)},
        values %{ $redis->{errors} }, $page->{cache}{rejected});
}


sub descriptors { return scalar(() = glob "/proc/$worker/fd/*") }
sub memory      { return Proctor::Test::Nginx::resident($worker) }


# One call in ten is a write, fewer where each takes longer.
sub load {
    my ($how, $until) = @_;

    my ($at_once, $seconds) = @{ $load{$how} };
    my %seen;
    my $end = time + $seconds;
    ($hits, $slowest) = (0, 0);

    while ($crowd->flying || time < $end) {
        $end = 0 if $until && $hits;
        ask(\%seen) while time < $end && $crowd->flying < $at_once;
        $crowd->turn(0.05);
    }
    return \%seen;
}


sub ask {
    my ($seen) = @_;

    my $method = rand() < 0.1 / $slow ? 'PATCH' : 'GET';
    my $path = '/api/v2/experiments/exp_' . int(rand 3) . '/';
    my $floor = $floor{$path} // 0;

    $crowd->ask($t->port,
        $t->bytes($method => $path, key => 'admin',
            headers => [Connection => 'close'],
            $method eq 'PATCH' ? (json => { name => 'another' }) : ()),
        sub {
            my ($answer) = @_;
            $seen->{ "$method " . ($answer ? $answer->{status} : 'none') }++;
            judge($answer, $path, $floor) if $answer;
        });
}


sub judge {
    my ($answer, $path, $floor) = @_;

    $slowest = max($slowest, time - $answer->{since});
    push @wrong, "503 without Retry-After\n"
        if $answer->{status} == 503 && $answer->{head} !~ /^Retry-After: \d/mi;
    return if $answer->{status} != 200;

    $hits++ if $answer->{head} =~ /^Cache-Status: .*\bhit\b/mi;
    my $data = decode_json($answer->{body});
    push @wrong, "$path: $data->{count} < $floor\n$answer->{head}\n"
        if $data->{count} < $floor;
    push @wrong, "$data->{account}\n"
        if $data->{account} ne $t->teams->{upstream}{respan};
    $floor{$path} = max($floor{$path} // 0, $data->{count});
}
