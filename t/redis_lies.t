use strict;
use warnings;

# The Redis client before a server that lies, in each way that a server can:
# no lie costs more than the call it was told to, none is believed, and none
# takes the worker down or fills its memory.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::FakeRedis;
use Proctor::Test::Status qw(redis becomes recovers);
use Proctor::Test::Wait qw(slurp wait_until);
use Test::More;
use Time::HiRes qw(sleep time);

my $slow = $ENV{ASAN_OPTIONS} ? 4 : 1;

my $fake;
my $t = Proctor::Test->new(
    prepare => sub {
        $fake = Proctor::Test::FakeRedis->new(dir => "$_[0]{dir}/redis");
        $_[0]->write_file('password', "secret\n");
    },
    http => sub {
        'proctor_redis unix:' . $fake->socket
            . ' password_file=password db=1 max_reply=1m timeout=40ms;';
    },
    locations => Proctor::Test::Status::location(),
);

becomes($t, 'ready');
my ($worker) = $t->nginx->workers;

sub rss {
    return slurp("/proc/$worker/status") =~ /VmRSS:\s+(\d+)/ ? $1 : 0;
}

sub fds { return scalar(() = glob "/proc/$worker/fd/*") }

redis($t) for 1 .. 10;
my ($rss, $fds) = (rss(), fds());

# Back to the truth: the same worker is served again, and lost nothing.
sub heals {
    my ($name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $fake->honest;
    ok defined recovers($t, 1.5 * $slow), "$name: it recovers";
    is join(' ', $t->nginx->workers), $worker, '... in the same worker';
    ok eval { wait_until('descriptors', sub { fds() <= $fds }) },
        '... no descriptor is left';
}


# errors, by their word; what each means for the connection
for my $case (
    ['-NOPERM no', 'noperm', 'ready'],
    ['-OOM command not allowed', 'oom', 'ready'],
    ['-MISCONF Redis is configured', 'misconf', 'ready'],
    ['-NOREPLICAS Not enough', 'noreplicas', 'ready'],
    ['-WRONGTYPE Operation', 'wrongtype', 'ready'],
    ['-MOVED 3999 127.0.0.1:6381', 'cluster', 'ready'],
    ['-ASK 3999 127.0.0.1:6381', 'cluster', 'ready'],
    ['-CLUSTERDOWN Hash slot', 'cluster', 'ready'],
    ['-CROSSSLOT Keys', 'cluster', 'ready'],
    ['-ERR unknown command', 'err', 'ready'],
    ['-', 'err', 'ready'],
    ['-SOMETHING new', 'err', 'ready'],
    ['-NOSCRIPTS', 'noscript', 'ready'],
    ['-READONLY You', 'readonly', 'off'],
    ['-MASTERDOWN Link', 'masterdown', 'off'],
    ['-NOAUTH Authentication', 'noauth', 'off'],
    ['-LOADING Redis', 'loading', 'suspect', 5],
    ['-BUSY Redis is busy', 'busy', 'suspect', 5],
) {
    my ($line, $word, $state, $times) = @$case;

    my $before = redis($t)->{errors}{$word};
    $fake->lie($_, $line) for qw(EVALSHA EVAL);
    my $said;
    for (1 .. $times // 1) {
        $said = redis($t);
        is $said->{ping}, $word, "$line: told as $word" if $_ == 1;
    }
    cmp_ok $said->{errors}{$word} - $before, '>=', $times // 1,
        '... and counted';
    is redis($t)->{state}, $state, "... it is $state";
    heals($line);
}

is scalar($t->nginx->log_lines(qr/answers OOM/)), 1, 'an error is logged once';
is scalar($t->nginx->log_lines(qr/MOVED: a cluster needs cluster=on/)), 1,
    '... a cluster by name';
unlike slurp($t->home . '/error.log'), qr/unknown command|You|127\.0\.0\.1:638/,
    '... and none with its text';


# replies that are none: the connection ends, or the call does
my $bulk = "\$536870912\r\n";
my $deep = "*1\r\n" x 40 . ":1\r\n";

for my $case (
    ['garbage', "HTTP/1.1 400 Bad Request\r\n\r\n"],
    ['a binary reply', join '', map { chr } 0 .. 255],
    ['a half and no end', "*2\r\n\$10\r\n17"],
    ['a hundred million elements', "*100000000\r\n"],
    ['2^31 elements', "*2147483648\r\n"],
    ['2^63 elements', "*9223372036854775808\r\n"],
    ['a negative length', "\$-2\r\n"],
    ['a negative count', "*-2\r\n"],
    ['a length that is none', "\$1x\r\nab\r\n"],
    ['an integer that is none', ":12x\r\n"],
    ['an integer over 64 bits', ":99999999999999999999\r\n"],
    ['forty levels', $deep],
    ['half a gigabyte announced', $bulk . 'x' x 65536],
    ['two megabytes', "\$2097152\r\n" . 'x' x 2097152 . "\r\n"],
    ['a hundred thousand small elements', "*100000\r\n" . ":1\r\n" x 100000],
    ['RESP3: a push', ">2\r\n+message\r\n+x\r\n"],
    ['RESP3: null', "_\r\n", 'nil'],
    ['RESP3: a double', ",3.14\r\n"],
    ['RESP3: a boolean', "#t\r\n"],
    ['RESP3: a map', "%1\r\n+a\r\n+b\r\n"],
) {
    my ($name, $raw, $how) = @$case;

    $fake->lie('EVALSHA', raw => $raw);
    my $start = time;
    my $said = redis($t);
    cmp_ok time - $start, '<', 0.5 * $slow, "$name: an answer in time";
    my $ends = ($how // '') eq 'nil' ? qr/\A(?:down|reply)\z/ # hiredis 1.x
        : qr/\A(?:down|timeout)\z/;
    like $said->{ping}, $ends, "... which is $said->{ping}"
        or diag explain $said;
    heals($name);
}


# well-formed, of a type that nobody expects: the call is answered, and the
# clock is not known
for my $case (
    ['a string', "\$5\r\nhello\r\n"],
    ['nil', "\$-1\r\n"],
    ['a nil array', "*-1\r\n"],
    ['an empty array', "*0\r\n"],
    ['an integer', ":5\r\n"],
    ['one element', "*1\r\n\$1\r\n5\r\n"],
    ['nested', "*2\r\n*1\r\n:1\r\n*1\r\n:1\r\n"],
    ['integers', "*2\r\n:1\r\n:2\r\n"],
    ['no numbers', "*2\r\n\$3\r\nabc\r\n\$1\r\n0\r\n"],
    ['an empty number', "*2\r\n\$0\r\n\r\n\$0\r\n\r\n"],
    ['a number too large', "*2\r\n\$18\r\n999999999999999999\r\n\$1\r\n0\r\n"],
    ['NUL bytes', "*2\r\n\$3\r\n1\0002\r\n\$1\r\n0\r\n"],
) {
    my ($name, $raw) = @$case;

    $fake->lie('EVALSHA', raw => $raw);
    my $said = redis($t);
    is $said->{ping}, 'reply', "$name: an answer all the same";
    ok !exists $said->{clock_ms}, '... but no time of day';
    is $said->{state}, 'ready', '... and no fault of the connection';
}
heals('other types');


# a megabyte less a little is fine, at any pace
$fake->lie('EVALSHA', raw => "\$1000000\r\n" . 'x' x 1000000 . "\r\n");
{
    my $said = redis($t);
    like $said->{ping}, qr/\A(?:reply|timeout)\z/, "a megabyte: $said->{ping}";
}
heals('a megabyte');


# replies to nothing
$fake->lie('EVALSHA', twice => 1);
is redis($t)->{ping} =~ /\A(?:reply|down)\z/, 1, 'the answer twice';
my $said = wait_until('the end', sub {
    my $said = redis($t);
    return $said->{reason} =~ /nobody had asked/ ? $said : undef;
});
heals('the answer twice');

my $losses = redis($t)->{losses};
$fake->lie('EVALSHA', later => 0.05);
redis($t);
$fake->honest;
wait_until('the late second answer to end it',
    sub { redis($t)->{losses} > $losses });
heals('the answer again, later');


# ends
for my $how (qw(close reset)) {
    for my $command (qw(PING EVALSHA)) {
        $fake->lie($command, $how);
        is redis($t)->{ping}, 'down', "$how at $command: told at once";
        heals("$how at $command");
    }
}


# silence and slowness: the deadline
for my $case ([silent => 1], [drip => 0.004], [endless => 'x']) {
    my ($how, $value) = @$case;

    $fake->lie('EVALSHA', $how, $value);
    my $start = time;
    my $said = redis($t);
    like $said->{ping}, qr/\A(?:timeout|down)\z/, "$how: $said->{ping}";
    cmp_ok time - $start, '<', 0.3 * $slow, '... in time';
    heals($how);
}


# a handshake that is not one
for my $case (
    [AUTH => '-WRONGPASS secret', 'AUTH was answered by WRONGPASS'],
    [AUTH => '-ERR secret', 'AUTH was answered by ERR'],
    [AUTH => ':1', 'not what Redis answers to AUTH'],
    [AUTH => '*0', 'not what Redis answers to AUTH'],
    [SELECT => '-ERR DB index', 'SELECT was answered by ERR'],
    [SELECT => '+QUEUED', 'not what Redis answers to SELECT'],
    [PING => '+PANG', 'not what Redis answers to PING'],
    [PING => '$-1', 'not what Redis answers to PING'],
    [PING => '-LOADING', 'PING was answered by LOADING'],
    [PING => '-MASTERDOWN Link', 'PING was answered by MASTERDOWN'],
    [SCRIPT => '-NOPERM', 'SCRIPT LOAD was answered by NOPERM'],
    [SCRIPT => '$40' . "\r\n" . '0' x 40,
        'not what Redis answers to SCRIPT LOAD'],
    [SCRIPT => 'silent', 'no connection and greeting within 50 ms'],
    [PING => 'close', qr/\w/],
    [AUTH => 'reset', qr/\w/],
    [AUTH => 'endless', 'x', qr/\w/],
) {
    my ($command, $lie, @why) = @$case;
    my $why = pop @why;

    $fake->lie($command, $lie, @why);
    $fake->lie('EVALSHA', 'close');
    my $connects = redis($t)->{connects};    # ends this connection
    my $said;
    eval {
        wait_until('the handshake to fail', sub {
            $said = redis($t);
            return ref $why ? $said->{connects} > $connects + 1
                : $said->{reason} eq $why;
        }, 3);
    };
    ref $why ? like($said->{reason}, $why, "$command $lie: $said->{reason}")
        : is($said->{reason}, $why, "$command: $why");
    isnt $said->{ping}, 'reply', '... nothing is asked';
    heals("the handshake, $command");
}
$fake->lie('CLIENT', '-NOPERM');
$fake->lie('EVALSHA', 'close');
is redis($t)->{ping}, 'down', 'a last handshake';
$fake->honest;
$fake->lie('CLIENT', '-NOPERM');
ok defined recovers($t), '... in which only the name is refused';
heals('the name');

unlike slurp($t->home . '/error.log'), qr/secret/, 'no password is logged';


# a probe that is not answered as it should be
$fake->lie('EVALSHA', 'silent');
$fake->lie('PING', 'silent');
is redis($t)->{ping}, 'timeout', 'silence';
$fake->lie('PING', ':7');
sleep 0.5;
isnt redis($t)->{state}, 'ready', 'no PONG, no service';
heals('the probe');


# nothing has grown: a server cannot make us keep what it sends
{
    my $now = rss();
    cmp_ok $now - $rss, '<', ($ENV{ASAN_OPTIONS} ? 262144 : 12288),
        'the memory is what it was (KB)';
}

is $fake->stop & 127, 15, 'the fake ends';
unlink $t->home . '/password';
$t->done;
