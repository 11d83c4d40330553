use strict;
use warnings;

# What can befall Redis, under load: 32 connections read and write while it is
# killed, stopped, filled, made read-only, emptied and so on.  A read is always
# answered, with nothing that is old or foreign; a write is done or refused with
# 503 and a Retry-After; nothing hangs; and when the fault is over, answers come
# from the cache again, with the same worker and as many descriptors as before.
#
# t/redis.t and t/redis_lies.t show the same faults to an idle gateway.

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::UNIX;
use JSON::PP;
use List::Util qw(max);
use Proctor::Test;
use Proctor::Test::Crowd;
use Proctor::Test::Redis;
use Proctor::Test::Status qw(becomes recovers);
use Proctor::Test::Versions;
use Proctor::Test::Wait qw(wait_until);
use Test::More;
use Time::HiRes qw(time);

my $slow = $ENV{ASAN_OPTIONS} ? 4 : 1;
my $at_once = 32;
my $load_seconds = 0.7; # of load before, in and after each fault

my $redis;

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
);

my (%floor, %status, @wrong, $hits, $slowest, @held);
my $upstream = Proctor::Test::Versions->new(delay => 0.005);
my $t = fixture();
my $crowd = Proctor::Test::Crowd->new;
my ($worker) = $t->nginx->workers;

load();
cmp_ok $hits, '>', 10, 'answers come from the cache';
my $descriptors = descriptors();

for my $fault (@faults) {
    my ($what, $begin, $end) = @$fault;

    $begin->();
    my $during = load();
    $end->();
    @held = ();

    ok defined recovers($t, 1.5 * $slow), "$what: it recovers";
    wait_until('answers from the cache again',
        sub { load(); return $hits });

    is join(' ', grep { !/\A(?:GET 200|PATCH 200|PATCH 503)\z/ }
        sort keys %$during), '', "$what: every call is answered as it should be";
    is_deeply \@wrong, [], "$what: nothing old and nothing foreign";
    cmp_ok $slowest, '<', 2 * $slow, "$what: nothing hangs";
    @wrong = ();
}

is join(' ', $t->nginx->workers), $worker, 'it is the same worker all the time';
cmp_ok wait_until('descriptors to be closed',
    sub { descriptors() <= $descriptors && descriptors() }), '<=', $descriptors,
    'with no more descriptors than at first';

$t->done;


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
            $redis = Proctor::Test::Redis->new(dir => "$_[0]{dir}/redis");
        },
        http => sub {
            'proctor_zone main:1m; proctor_redis unix:' . $redis->socket
                . ' timeout=' . 50 * $slow . "ms;\n"
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


# A list where a string was, and a string where a hash was.
sub scramble {
    for my $key (@{ said('KEYS', 'proctor:*') }) {
        my $type = said('TYPE', $key);
        said('DEL', $key);
        said($type eq 'string' ? ('RPUSH', $key, 'x') : ('SET', $key, 'x'));
        said('PEXPIRE', $key, 60000);
    }
}


sub descriptors { return scalar(() = glob "/proc/$worker/fd/*") }


# One call in ten is a write, fewer where each takes longer.
sub load {
    my %seen;
    my $end = time + $load_seconds;
    ($hits, $slowest) = (0, 0);

    while ($crowd->flying || time < $end) {
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
