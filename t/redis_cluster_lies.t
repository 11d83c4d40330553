use strict;
use warnings;

# A Redis Cluster that lies: servers that send a call to each other, or to
# nowhere, and that say of slots what cannot be.  No call is followed more than
# five times, nor longer than it may take; each is answered; nothing crashes.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::FakeRedis;
use Proctor::Test::Status qw(becomes redis);
use Proctor::Test::Wait qw(free_ports slurp wait_until);
use Test::More;
use Time::HiRes qw(time);

my $timeout = 1;
my ($a, $b) = free_ports(2);
my %fakes;

my $t = Proctor::Test->new(
    teams => sub {
        $_[0]{teams}{alpha}{quotas}
            = [{ name => 'calls', limit => 999_999, per => '1m' }];
    },
    prepare => sub {
        for my $port ($a, $b) {
            $fakes{$port} = Proctor::Test::FakeRedis->new(
                dir => "$_[0]{dir}/$port", port => $port);
            $fakes{$port}->lie('CLUSTER', raw => slots([0, 16383, $a]));
            $fakes{$port}->lie('INFO', '-ERR no');
        }
    },
    http => sub {
        "proctor_zone main:1m; proctor_redis 127.0.0.1:$a cluster=on timeout="
            . 1000 * $timeout . "ms;\n";
    },
    locations => Proctor::Test::Status::location(),
);
my ($worker) = $t->nginx->workers;


# "0 to 16383 are at this port", ... as CLUSTER SLOTS says it
sub slots {
    return '*' . @_ . "\r\n" . join '', map {
        my ($first, $last, $port, $host) = (@$_, '127.0.0.1');
        "*3\r\n:$first\r\n:$last\r\n*2\r\n\$" . length($host)
            . "\r\n$host\r\n:$port\r\n"
    } @_;
}


# One call, whose quota needs the script.
sub call {
    my ($name) = @_;

    my $start = time;
    my $r = $t->request(GET => '/api/v2/experiments/', key => 'admin');
    is $r->{status}, 200, "$name: answered";
    return time - $start;
}


sub asked { $fakes{$a}->count('EVALSHA') + $fakes{$b}->count('EVALSHA') }


# Each sends whoever asks to the other; and both are known.
sub each_other {
    my ($word) = @_;

    $fakes{$a}->lie('EVALSHA', "-$word 1 127.0.0.1:$b");
    $fakes{$b}->lie('EVALSHA', "-$word 1 127.0.0.1:$a");
    wait_until('both to be known', sub {
        call("$word to each other");
        return 2 == grep { $_->{state} eq 'ready' } @{ redis($t)->{nodes} };
    });
}


sub both { $_->lie(@_) for values %fakes }


{
    my $said = becomes($t, 'ready');
    is_deeply [map { "$_->{address} $_->{slots}" } @{ $said->{nodes} }],
        ["127.0.0.1:$a 16384"], 'one server has all slots';
    call('nothing is sent elsewhere');
    is redis($t)->{redirects}, 0, '... indeed';
}


# to each other
for my $word (qw(MOVED ASK)) {
    each_other($word);
    my $redirects = redis($t)->{redirects};
    my $before = asked();
    call("$word to each other");
    is asked() - $before, 6, '... followed five times';
    cmp_ok redis($t)->{redirects} - $redirects, '==', 5, '... as is counted';
}


# to who says nothing: the time is the call's, not a server's
{
    $fakes{$a}->lie('EVALSHA', "-MOVED 1 127.0.0.1:$b");
    $fakes{$b}->lie('EVALSHA', 'silent');
    cmp_ok call('moved to who is silent'), '<', 2 * $timeout, '... in time';
    # who is owed a reply would take the next one for it
    $fakes{$b}->lie('PING', 'close');
    wait_until('it to be gone', sub {
        grep { $_->{state} ne 'ready' && $_->{state} ne 'suspect' }
            @{ redis($t)->{nodes} };
    });
    $fakes{$b}->lie('PING', '+PONG');
    both('EVALSHA', ':1');
    becomes($t, 'ready');
    each_other('MOVED');
    my $timeouts = redis($t)->{timeouts};
    $fakes{$a}->lie('EVALSHA', line => "-MOVED 1 127.0.0.1:$b",
        after => 0.95 * $timeout);
    $fakes{$b}->lie('EVALSHA', line => "-MOVED 1 127.0.0.1:$a",
        after => 0.95 * $timeout);
    call('to each other, and slowly');
    cmp_ok redis($t)->{timeouts}, '>', $timeouts,
        '... given up when its time is over, not when a server\'s is';
    both('EVALSHA', ':1');
    becomes($t, 'ready');
}


# to nowhere
for my $line ('-MOVED', '-MOVED ', '-MOVED 1', '-MOVED 1 ', '-MOVED 1 127.0.0.1',
    '-MOVED 1 127.0.0.1:', '-MOVED 1 127.0.0.1:0', '-MOVED 1 127.0.0.1:65536',
    '-MOVED 1 127.0.0.1:-1', '-MOVED 1 redis.example.com:6379',
    '-MOVED 1 unix:/tmp/x:1', '-MOVED 1 [::1]:1', '-MOVED 1 :' . $a,
    '-MOVED 99999 127.0.0.1:' . $a, '-MOVED x 127.0.0.1:' . $a,
    '-MOVED 1 127.0.0.1:1', '-MOVED 1 ::1:1', '-MOVED 1 ' . 'x' x 5000 . ':1',
    '-ASK', '-ASK 1 ', '-ASK 1 127.0.0.1:1', '-TRYAGAIN later',
    '-CLUSTERDOWN it is', '-CROSSSLOT they are',
) {
    both('EVALSHA', $line);
    cmp_ok call(substr $line, 0, 40), '<', 2 * $timeout, '... in time';
}
both('EVALSHA', ':1');
becomes($t, 'ready');


# what cannot be said of slots, which are soon asked for after this
both('EVALSHA', '-CLUSTERDOWN it is');
my $one = slots([0, 16383, $a]);
for my $case (
    ['a number', ":1\r\n"],
    ['an error', "-NOPERM no\r\n"],
    ['numbers', "*2\r\n:0\r\n:16383\r\n"],
    ['half a range', "*1\r\n*2\r\n:0\r\n:16383\r\n"],
    ['a range of words', "*1\r\n*3\r\n+0\r\n+16383\r\n*2\r\n+127.0.0.1\r\n:$a\r\n"],
    ['no server', "*1\r\n*3\r\n:0\r\n:16383\r\n*0\r\n"],
    ['half a server', "*1\r\n*3\r\n:0\r\n:16383\r\n*1\r\n\$9\r\n127.0.0.1\r\n"],
    ['a port that is a word',
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n\$9\r\n127.0.0.1\r\n\$1\r\n1\r\n"],
    ['a slot too many', slots([0, 16384, $a])],
    ['a slot too few', slots([-1, 3, $a])],
    ['backwards', slots([3, 2, $a])],
    ['a port over 65535', slots([0, 16383, 65536 + $a])],
    ['a port under 0', slots([0, 16383, -1])],
) {
    my ($name, $raw) = @$case;
    both('CLUSTER', raw => $raw);
    my $n = $fakes{$a}->count('CLUSTER');
    call("$name for slots");
    wait_until('it to be said', sub { $fakes{$a}->count('CLUSTER') > $n });
    is redis($t)->{state}, 'ready', '... and what was known holds';
}

for my $case (
    ['no ranges', slots(), 'off'],
    ['a name', slots([0, 16383, $a, 'redis.example.com']), 'off'],
    ['port 0', slots([0, 16383, 0]), 'off'],
    ['some without a server', slots([0, 99, $a], [101, 16383, $a]), 'off'],
    ['where I was asked', slots([0, 16383, $a, '']), 'ready'],
    ['overlapping', slots([0, 16383, $b], [5, 16383, $a]), 'ready'],
    ['too many servers', slots((map { [$_, $_, 1 + $_] } 0 .. 99),
        [100, 16383, $a]), 'off'],
) {
    my ($name, $raw, $state) = @$case;
    both('CLUSTER', raw => $raw);
    ok eval { becomes($t, $state) }, "$name for slots: $state";
    call($name);
    cmp_ok scalar(@{ redis($t)->{nodes} }), '<=', 32, '... no more than may be';
    both('CLUSTER', raw => $one);
    ok eval { becomes($t, 'ready') }, '... until it is as it should be';
}
is scalar($t->nginx->log_lines(qr/more than 32 masters/)), 1,
    'too many are told once';


# a server that is none of a cluster
{
    both('EVALSHA', ':1');
    both('CLUSTER', '-ERR This instance has cluster support disabled');
    $t->nginx->reload;
    my $said = wait_until('the reason', sub {
        my $said = redis($t);
        return $said->{reason} =~ /which slot/ ? $said : undef;
    });
    is $said->{state}, 'off', 'who knows of no slots is no cluster';
    is $said->{reason}, "127.0.0.1:$a does not say who has which slot",
        '... and the page says so';
    call('it serves without');
    both('CLUSTER', raw => $one);
    ok eval { becomes($t, 'ready') }, '... until it is';
}

$t->stop;
$_->stop for values %fakes;
done_testing;
