use strict;
use warnings;

# Quotas when Redis is ill: what becomes of a call by default and by directive,
# how long it waits, and that counting goes on where it was when Redis is back.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::FakeRedis;
use Proctor::Test::Redis;
use Proctor::Test::Status qw(becomes recovers);
use Proctor::Test::Wait qw(wait_until);
use Test::More;
use Time::HiRes qw(time);

# what a sanitizer or a busy machine may cost
my $slow = $ENV{ASAN_OPTIONS} ? 4 : 1;

my $list = '/api/v2/experiments/';
my @read = (GET => $list, key => 'admin');
my @delete = (DELETE => "${list}exp_none/", key => 'admin');
my $redis;


sub fixture {
    my (%args) = @_;

    my $quotas = delete $args{quotas}
        // [{ name => 'calls', limit => 3, per => '1m' }];
    my $limits = delete $args{limits};
    my $t = Proctor::Test->new(
        teams => sub {
            $_[0]{teams}{alpha}{quotas} = $quotas if @$quotas;
            $_[0]{accounts}{acme}{limits} = $limits if $limits;
        },
        prepare => sub {
            $redis = Proctor::Test::Redis->new(dir => "$_[0]{dir}/redis");
        },
        http => sub {
            'proctor_cache off; proctor_zone main:1m; proctor_redis unix:' . $redis->socket
                . " timeout=100ms;\n";
        },
        locations => Proctor::Test::Status::location(),
        %args,
    );
    becomes($t, 'ready');
    return $t;
}


sub statuses {
    my ($t, $n, @request) = @_;

    return join ' ', map { $t->request(@request)->{status} } 1 .. $n;
}


# dead
{
    my $t = fixture();
    is statuses($t, 2, @read), '200 200', 'two calls while Redis is well';

    $redis->kill;
    is statuses($t, 4, @read), '200 429 429 429',
        'it is dead: the machine lets in what was left';

    my $r = $t->request(@delete);
    $t->refuses($r, 503, '... what changes something is refused');
    is $r->{headers}{'retry-after'}, 1, '... for now';
    is $t->audit($r)->{reason}, 'quota_down', '... with the reason';

    $redis->start;
    ok defined recovers($t, 1.5 * $slow), 'Redis is back';
    is statuses($t, 4, @read), '200 200 200 429', '... and counts, anew';

    $redis->kill;
    is statuses($t, 2, @read), '429 429', '... it dies again: nothing was left';
    $t->stop;
}


# by directive
{
    my $t = fixture(options => 'proctor_quota_on_error open;');
    $redis->kill;
    is statuses($t, 5, @read), '200 200 200 200 200', 'open: nothing is counted';
    is $t->request(@delete)->{status}, 404, '... changes, too';
    $t->stop;
}

{
    my $t = fixture(options => 'proctor_quota_on_error closed;');
    $redis->kill;
    is statuses($t, 2, @read), '503 503', 'closed: nothing passes';
    is $t->request(GET => $list, key => 'beta')->{status}, 200,
        '... but what has no quota';
    $t->stop;
}

{
    my $t = fixture(options => 'proctor_quota_on_error local;');
    $redis->kill;
    is statuses($t, 4, @delete), '404 404 404 429', 'local: changes are counted';
    $t->stop;
}

{
    my $t = fixture(options => 'proctor_quota_on_error closed;
        proctor_mode observe;');
    $redis->kill;
    my $r = $t->request(@read);
    is $r->{status}, 200, 'observed: it passes';
    is $t->audit($r)->{reason}, 'quota_down', '... and is known';
    $t->stop;
}


# an account's limit
{
    my $t = fixture(quotas => [], limits => [{ limit => 2, per => '1m' }]);
    $t->request(@read);
    $redis->kill;
    is statuses($t, 3, @read), '200 429 429',
        "an account's limit is kept by the machine";
    is $t->request(@delete)->{status}, 503, '... a change is refused';
    $t->stop;
}


# silent
{
    my $t = fixture(quotas => [{ name => 'calls', limit => 100, per => '1m' }]);
    $t->request(@read);
    $redis->freeze;

    my $start = time;
    is $t->request(@read)->{status}, 200, 'it hangs: the first call goes on';
    my $first = time - $start;
    cmp_ok $first, '<', 0.4 * $slow, '... when its time is over';
    cmp_ok $first, '>=', 0.09, '... and not before';

    $start = time;
    is statuses($t, 20, @read), join(' ', (200) x 20), '... the others';
    cmp_ok time - $start, '<', 1 * $slow, '... do not wait';

    $redis->thaw;
    ok defined recovers($t, 1.5 * $slow), 'it goes on';
    my $r = $t->request(@read);
    $r->{headers}{ratelimit} =~ /r=(\d+)/;
    cmp_ok $1, '>=', 97, '... with what it had counted, and one at most twice';
    $t->stop;
}


# a request that leaves while Redis is silent
{
    my $t = fixture();
    $redis->freeze;
    for (1 .. 20) {
        my $conn = $t->connect;
        $conn->send($t->bytes(@read, rid => $t->rid));
        $conn->reset;
    }
    $redis->thaw;
    ok defined recovers($t, 1.5 * $slow), 'twenty left: it goes on';
    ok $t->request(GET => $list, key => 'beta'), '... and so does the worker';
    $t->stop;
}


# forgetful, full, and with other things under our keys
{
    my $t = fixture(quotas => [
        { name => 'a', limit => 10, per => '1m' },
        { name => 'b', limit => 10, per => '30d', charge => 'accepted' },
        { name => 'c', limit => 10, per => '1d' }]);

    $t->request(@read);
    $redis->command('SCRIPT', 'FLUSH');
    my $r = $t->request(@read);
    like $r->{headers}{ratelimit}, qr/\A"a";r=8;.*"b";r=[78];.*"c";r=8;/,
        'forgotten scripts are sent again, and count once';

    my ($day, $month, $year) = (gmtime)[3, 4, 5];
    require Time::Local;
    my $end = Time::Local::timegm(0, 0, 0, 1, ($month + 1) % 12,
        $year + int(($month + 1) / 12));
    wait_until('the reservation to be settled',
        sub { $redis->command('EXISTS', 'proctor:{alpha}:slices:b:month') });
    my $left = $redis->command('PTTL', 'proctor:{alpha}:slices:b:month') / 1000;
    cmp_ok abs(time + $left - $end), '<', 3, 'a month ends with the month';
    $left = $redis->command('PTTL', 'proctor:{alpha}:slices:c:day') / 1000;
    cmp_ok abs(time + $left - (int(time / 86400) + 1) * 86400), '<', 3,
        'a day ends with the day';

    my @keys = sort @{ $redis->command('KEYS', 'proctor:*') };
    like "@keys", qr/\A(?:\S+held:b\S+ )?(?:\S+quota:\S+ ){3}(?:\S+slices\S+ ?){3}\z/,
        'a counter and its slices for each';
    $redis->command('DEL', @keys);
    $redis->command('HSET', $keys[-6], 'a', 1);
    $redis->command('RPUSH', $keys[-5], 'a');
    $redis->command('SET', $keys[-4], 'abc');
    $redis->command('SET', $keys[-1], 'x' x 64);
    is $t->request(@read)->{status}, 200, 'other things under our keys';
    like $t->request(@read)->{headers}{ratelimit},
        qr/\A"a";r=8;.*"b";r=\d+;.*"c";r=8;/, '... are replaced';
    is join(' ', grep { $redis->command('PTTL', $_) < 0 }
        @{ $redis->command('KEYS', 'proctor:*') }), '',
        '... and have a time to live';

    $redis->command('CONFIG', 'SET', 'maxmemory', 1);
    is $t->request(@read)->{status}, 200, 'no memory: reads are counted here';
    is $t->request(@delete)->{status}, 503, '... changes are refused';
    $redis->command('CONFIG', 'SET', 'maxmemory', 0);
    is $t->request(@delete)->{status}, 404, '... until there is some';
    $t->stop;
}


# replies that are not the script's: never taken for nothing used
{
    my $fake;
    my $t = Proctor::Test->new(
        teams => sub {
            $_[0]{teams}{alpha}{quotas}
                = [{ name => 'calls', limit => 100, per => '1m' }];
            $_[0]{accounts}{acme}{limits} = [{ limit => 100, per => '1m' }];
        },
        prepare => sub {
            $fake = Proctor::Test::FakeRedis->new(dir => "$_[0]{dir}/fake");
        },
        http => sub {
            "proctor_cache off; proctor_zone main:1m; proctor_redis unix:$fake->{socket};\n";
        },
        locations => Proctor::Test::Status::location(),
    );
    becomes($t, 'ready');

    for my $reply (
        ':0', '$-1', '*-1', '*0', '+OK', "*1\r\n:0", "*6\r\n" . ":0\r\n" x 5 . ':0',
        map({ "*5\r\n:0\r\n$_\r\n:1\r\n:0\r\n:0" }
            ':-1', "\$1\r\n9", '$-1', '*0', '+9'),
        '-ERR no', '-WRONGTYPE no',
    ) {
        $fake->lie('EVALSHA', raw => "$reply\r\n");
        becomes($t, 'ready');
        (my $shown = $reply) =~ s/\r\n/ /g;
        is $t->request(@read)->{status}, 200, "'$shown': reads are counted here";
        becomes($t, 'ready');
        is $t->request(@delete)->{status}, 503, '... changes are refused';
    }

    # a valve that is shut for longer than any upstream can shut it
    my $never = ':1795872758935120';
    $fake->lie('EVALSHA', raw => "*2\r\n:1\r\n$never\r\n");
    is $t->request(@read)->{status}, 200, 'a valve shut for ever: counted here';
    $t->stop;
    $fake->stop;

    $t = Proctor::Test->new(
        prepare => sub {
            $fake = Proctor::Test::FakeRedis->new(dir => "$_[0]{dir}/fake");
        },
        http => sub {
            "proctor_cache off; proctor_zone main:1m; proctor_redis unix:$fake->{socket};\n";
        },
        locations => Proctor::Test::Status::location(),
    );
    becomes($t, 'ready');
    $fake->lie('PTTL', $never);
    is $t->request(@read)->{status}, 200, '... of an account without limits';
    $fake->lie('PTTL', ':30000');
    wait_until('a valve that is shut to be seen',
        sub { $t->request(@read)->{status} == 429 });
    $t->stop;
    $fake->stop;
}


done_testing;
