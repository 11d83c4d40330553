use strict;
use warnings;

# The Redis client before a real server: what it sends, and what it does when
# the server hangs, dies, is ill, forgets or refuses.  The status page asks one
# question per request and tells how that ended.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::Redis;
use Proctor::Test::Status qw(redis becomes recovers);
use Proctor::Test::Wait qw(free_ports slurp wait_until);
use Test::More;
use Time::HiRes qw(sleep time);

# what a sanitizer or a busy machine may cost
my $slow = $ENV{ASAN_OPTIONS} ? 4 : 1;

my $redis;

sub fixture {
    my ($options, %args) = @_;

    my $server = delete $args{server} // {};
    return Proctor::Test->new(
        prepare => sub {
            $redis = Proctor::Test::Redis->new(
                dir => "$_[0]{dir}/redis", %$server);
        },
        http => sub {
            'proctor_redis unix:' . $redis->socket
                . " $options;\n" . ($args{more} // '');
        },
        locations => Proctor::Test::Status::location(),
        %args,
    );
}


# the directive
{
    my $t = Proctor::Test->new(stopped => 1,
        locations => Proctor::Test::Status::location());
    my $conf = $t->conf;

    my $says = sub {
        my ($directives) = @_;
        $t->nginx->write_conf($conf =~ s/(?=\n    upstream)/\n$directives/r);
        return $t->nginx->test;
    };

    $t->write_file('password', "secret\n");
    $t->write_file('empty', "\n");
    my $long = 'x' x 120;

    for my $case (
        ['unix:/redis.sock'],
        ['127.0.0.1'],
        ['127.0.0.1:6380 db=3'],
        ['[::1]:6380'],
        ['localhost:6379 timeout=20ms connect_timeout=1s'],
        ['localhost max_pending=1 max_reply=1m max_output=64k'],
        ['localhost user=me password_file=password'],
        ['localhost password_file=password'],
        ['127.0.0.1 127.0.0.1:6380 [::1]:6381 db=3'],
        ['127.0.0.1:6379 unix:/redis.sock unix:/a=b timeout=30ms'],
        ['127.0.0.1 no-such-host.invalid', qr/host not found in "no-such/],
        ['127.0.0.1 127.0.0.1:0', qr/invalid port in "127.0.0.1:0"/],
        ['127.0.0.1 timeout=20ms 127.0.0.1:6380',
            qr/invalid parameter "127.0.0.1:6380"/],
        ['127.0.0.1 [::1] cluster=on'],
        ['127.0.0.1 cluster=off db=3'],
        ['127.0.0.1 cluster=yes', qr/invalid parameter "cluster=yes"/],
        ['127.0.0.1 cluster=on db=3', qr/has a db, and a cluster has only one/],
        ['', qr/invalid number of arguments/],
        ["unix:$long", qr/too long path/],
        ['unix:', qr/no path/],
        ['localhost:0', qr/invalid port/],
        ['no-such-host.invalid', qr/host not found/],
        ['localhost db=-1', qr/invalid parameter "db=-1"/],
        ['localhost db=x', qr/invalid parameter "db=x"/],
        ['localhost timeout=0', qr/invalid parameter "timeout=0"/],
        ['localhost timeout=2h', qr/invalid parameter "timeout=2h"/],
        ['localhost max_pending=0', qr/invalid parameter "max_pending=0"/],
        ['localhost max_reply=1', qr/invalid parameter "max_reply=1"/],
        ['localhost max_reply=1t', qr/invalid parameter "max_reply=1t"/],
        ['localhost user=', qr/invalid parameter "user="/],
        ['localhost user=me', qr/has a user without a password_file/],
        ['localhost password=x', qr/invalid parameter "password=x"/],
        ['localhost password_file=none', qr/"[^"]*none" failed/],
        ['localhost password_file=empty', qr/holds no password/],
        ["localhost;\nproctor_redis localhost", qr/is duplicate/],
    ) {
        my ($text, $why) = @$case;
        my ($fine, $said) = $says->("proctor_redis $text;");
        $why ? like($said, $why, 'proctor_redis ' . $text =~ s{\n}{ }r . ': refused')
            : ok($fine, "proctor_redis $text: fine") || diag $said;
    }

    $t->stop;
}


# without Redis the page says so
{
    my $t = Proctor::Test->new(locations => Proctor::Test::Status::location());
    my $r = $t->request(GET => '/proctor-status');
    is $r->{status}, 200, 'the page needs no Redis';
    is $r->{headers}{'content-type'}, 'application/json', '... and is JSON';
    is $r->{headers}{'cache-control'}, 'no-store', '... for this once';
    ok exists $r->{json}{redis}, '... it has a member for Redis';
    is $r->{json}{redis}, undef, '... which is null';
    is $t->request(POST => '/proctor-status', body => '{}')->{status}, 405,
        '... only read';
    $r = $t->request(HEAD => '/proctor-status');
    is "$r->{status}$r->{body}", '200', 'HEAD has no body';
    $t->stop;
}


# a server as it should be
{
    my $t = fixture('db=3');
    my $said = becomes($t, 'ready');
    is $said->{connects}, 1, 'connected before anybody asked, once';
    is $said->{ping}, 'reply', '... and answers';
    ok defined $said->{ping_us}, '... in so many microseconds';
    cmp_ok abs $said->{clock_ms}, '<', 100, '... its clock is ours';
    is $said->{reason}, '', '... there is nothing to explain';

    my ($pid) = $t->nginx->workers;
    is join(' ', $redis->clients), "proctor-0-$pid", 'it says who it is';
    like $redis->command('CLIENT', 'LIST'), qr/name=proctor.* db=3 /,
        '... and is in its database';

    my %before = %{ redis($t) };
    redis($t) for 1 .. 20;
    my %after = %{ redis($t) };
    is $after{calls} - $before{calls}, 21, 'a call for each request';
    is $after{replies} - $before{replies}, 42, '... with two replies each';
    is $after{connects}, 1, '... over one connection';
    is $redis->calls->{evalsha}, $redis->calls->{time}, 'scripts run once';
    ok !$redis->calls->{eval}, '... by their digest';

    # forgotten scripts: said again, run exactly once
    my $ran = $redis->calls->{time};
    $redis->command('SCRIPT', 'FLUSH');
    $said = redis($t);
    is $said->{ping}, 'reply', 'a forgotten script is no failure';
    is $said->{resent}, 1, '... it was sent again';
    is $redis->calls->{time}, $ran + 1, '... and ran once';
    is redis($t)->{resent}, 1, '... and is known now';
    is $redis->calls->{eval}, 1, '... with its text only once';

    # many at once, with the scripts forgotten under way
    $redis->command('SCRIPT', 'FLUSH');
    $ran = $redis->calls->{time};
    my @conns = map { $t->connect } 1 .. 40;
    $_->send($t->bytes(GET => '/proctor-status')) for @conns;
    my @answers = map { $_->answer } @conns;
    is scalar(grep { $_->{body} =~ /"ping":"reply"/ } @answers), 40,
        'forty at once, forgotten again: all are answered';
    is $redis->calls->{time}, $ran + 40, '... each script ran once';
    $_->close for @conns;

    $t->stop;
}


# a hang behind a late reply: its deadline is its own, not the patience with it
{
    my $t = fixture('timeout=200ms');
    becomes($t, 'ready');

    $redis->freeze;
    is redis($t)->{ping}, 'timeout', 'a hang is a timeout';
    $redis->thaw;
    becomes($t, 'ready');

    $redis->freeze;
    my $start = time;
    is redis($t)->{ping}, 'timeout', 'another right behind it, too';
    cmp_ok time - $start, '<', 0.4 * $slow, '... as soon as the first';
    $redis->thaw;
    becomes($t, 'ready');
    $t->stop;
}


# a server that hangs: one deadline, then nothing but the client's own probes
{
    my $t = fixture('timeout=30ms connect_timeout=60ms');
    becomes($t, 'ready');
    my $sockets = $t->nginx->sockets;

    $redis->freeze;
    my $start = time;
    my $said = redis($t);
    cmp_ok time - $start, '<', 0.1 * $slow, 'a hung Redis costs its deadline';
    is $said->{ping}, 'timeout', '... which is told';
    is $said->{state}, 'suspect', '... and the breaker opens';
    is $said->{reason}, 'no reply within 30 ms', '... and says why';

    $start = time;
    my @said = map { redis($t) } 1 .. 50;
    cmp_ok time - $start, '<', 0.5 * $slow, 'after that it costs nothing';
    is scalar(grep { $_->{ping} eq 'none' } @said), 50, '... nobody asks it';

    $said = becomes($t, 'off');
    is $said->{timeouts} <= 2, 1, 'one request and one probe waited in vain';
    is $said->{pending}, 0, '... and nobody is in flight any more';
    sleep 1;    # several attempts; the server stays frozen
    $said = redis($t);
    is $said->{ping}, 'none', 'a socket that accepts and is silent is no Redis';
    $said->{connects} = $said->{connects};
    cmp_ok $said->{connects}, '<=', 8, '... attempts are few';

    $redis->thaw;
    ok defined recovers($t), 'it recovers within 1.5 s';
    is scalar($t->nginx->log_lines(qr/proctor redis: .* is away/)), 1,
        'the log says once that it is away';
    is scalar($t->nginx->log_lines(qr/proctor redis: .* is back/)), 1,
        '... and once that it is back';
    is $t->nginx->sockets, $sockets, '... no socket is left';

    # a short pause: the reply comes late and finds nobody
    $redis->command('CLIENT', 'PAUSE', 150, 'ALL');
    is redis($t)->{ping}, 'timeout', 'a pause is a timeout';
    ok defined recovers($t), '... and recovers';
    $said = redis($t);
    is $said->{late}, 1, '... the late reply found nobody';
    is $said->{ping}, 'reply', '... and nobody got it for his own';

    # a long script
    $redis->command('CONFIG', 'SET', 'busy-reply-threshold', 50);
    my $busy = $redis->begin('EVAL', 'while true do end', 0);
    ok eval { wait_until('the breaker', sub { redis($t)->{ping} eq 'none' }) },
        'a Redis that is busy with a script is soon left alone';
    $redis->command('SCRIPT', 'KILL');
    ok defined recovers($t), '... until it does';
    $busy->close;

    $t->stop;
}


# a server that dies and comes back
{
    my $t = fixture('');
    becomes($t, 'ready');
    my $sockets = $t->nginx->sockets;

    $redis->kill;
    my $said = becomes($t, 'off');
    is $said->{ping}, 'none', 'a dead Redis is not asked';
    isnt $said->{reason}, '', "... $said->{reason}";

    sleep 0.5;
    $said = redis($t);
    cmp_ok $said->{connects}, '<=', 5, 'it is not hammered';

    $redis->start;
    ok defined recovers($t), 'it recovers within 1.5 s';

    for (1 .. 3) {
        $redis->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
        ok defined recovers($t), "killed connection $_: a new one";
    }
    is $t->nginx->sockets, $sockets, 'no socket is left';
    is scalar(my @names = $redis->clients), 1, '... at either end';

    $t->stop;
}


# it was never there; a socket file that nobody listens on
{
    my $t = fixture('');
    $redis->kill;
    $t->nginx->reload;
    my $said = becomes($t, 'off');
    like $said->{reason}, qr/refused|No such file/, $said->{reason};
    unlink $redis->socket;
    wait_until('the other reason',
        sub { redis($t)->{reason} =~ /No such file/ });
    $redis->start;
    ok defined recovers($t), 'it appears, and is used';
    $t->stop;
}


# limits, clients that leave, and workers that leave
{
    my $t = fixture('timeout=4s max_pending=3', workers => 1);
    becomes($t, 'ready');
    my @worker = $t->nginx->workers;

    # requests that wait for a frozen server, as many as may
    my $hold = sub {
        $redis->freeze;
        my @waiting = map { $t->connect } 1 .. 3;
        $_->send($t->bytes(GET => '/proctor-status')) for @waiting;
        is redis($t)->{ping}, 'shed', 'over max_pending nothing is sent';
        return @waiting;
    };

    my @conns = $hold->();

    $conns[0]->close;
    $conns[1]->reset;
    is redis($t)->{ping}, 'shed', 'who left still has a reply to come';
    $redis->thaw;
    like $conns[2]->answer->{body}, qr/"ping":"reply"/, 'who stayed gets it';
    $conns[2]->close;
    is redis($t)->{ping}, 'reply', '... and all goes on';
    is redis($t)->{pending}, 0, '... with nothing left over';

    # many that leave while it hangs
    for my $how (qw(close reset half_close)) {
        for (1 .. 30) {
            $redis->freeze;
            my @leavers = map { $t->connect } 1 .. 3;
            $_->send($t->bytes(GET => '/proctor-status')) for @leavers;
            $_->$how for @leavers;
            $redis->thaw;
            $_->close for @leavers;
        }
        ok defined recovers($t), "many leave by $how: it goes on";
    }
    is join(' ', $t->nginx->workers), "@worker", '... in the same worker';

    # an old worker answers whoever waits, then ends
    @conns = $hold->();
    $t->nginx->reload;
    $redis->thaw;
    is scalar(grep { $_->answer->{body} =~ /"ping":"reply"/ } @conns), 3,
        'a reload loses nobody';
    $_->close for @conns;
    wait_until('the old worker to end', sub { !kill 0, @worker });
    ok defined recovers($t), 'the new one has its own connection';
    is scalar(my @names = $redis->clients), 1, '... the old one is gone';

    # ... unless its time is up
    $t->nginx->write_conf($t->conf
        =~ s/worker_shutdown_timeout 20s/worker_shutdown_timeout 200ms/r);
    $t->nginx->reload;
    becomes($t, 'ready');
    @worker = $t->nginx->workers;
    @conns = $hold->();
    my $start = time;
    $t->nginx->reload;
    wait_until('the old worker to end', sub { !kill 0, @worker });
    cmp_ok time - $start, '<', 2 * $slow, 'worker_shutdown_timeout is kept';
    $_->close for @conns;
    $redis->thaw;
    ok defined recovers($t), '... and the next worker serves';

    $t->stop;
}


# passwords
{
    my $secret = 'pw-' . Proctor::Test::Teams::random();
    my $t = fixture('password_file=redis.password', prepare => sub {
        $redis = Proctor::Test::Redis->new(
            dir => "$_[0]{dir}/redis", login => ['AUTH', $secret],
            args => ['--requirepass', $secret]);
        $_[0]->write_file('redis.password', "$secret\n");
    });
    is becomes($t, 'ready')->{ping}, 'reply', 'a password is given';

    $redis->command('ACL', 'SETUSER', 'gate', 'on', ">$secret-too", '~*',
        '+@all', '-client');
    $t->write_file('redis.password', "$secret-too\n");
    $t->nginx->write_conf($t->conf =~ s/(?=password_file)/user=gate /r);
    $t->nginx->reload;
    is becomes($t, 'ready')->{ping}, 'reply',
        'a user, who need not be allowed to have a name';

    # he loses his rights, then is no more
    $redis->command('ACL', 'SETUSER', 'gate', '-evalsha');
    my $said = redis($t);
    is $said->{ping}, 'noperm', 'a right that is missing is told';
    is $said->{state}, 'ready', '... which concerns that call only';
    is $said->{errors}{noperm} > 0, 1, '... and is counted';
    $redis->command('ACL', 'SETUSER', 'gate', '+evalsha');
    is redis($t)->{ping}, 'reply', '... and given back';

    $redis->command('ACL', 'SETUSER', 'gate', 'off');
    $redis->command('CLIENT', 'KILL', 'USER', 'gate');
    $said = wait_until('the refusal', sub {
        my $said = redis($t);
        return $said->{reason} =~ /AUTH/ ? $said : undef;
    });
    is $said->{reason}, 'AUTH was answered by WRONGPASS', 'refused by name';
    sleep 1;
    cmp_ok redis($t)->{connects} - $said->{connects}, '<=', 4,
        '... without a storm';
    $redis->command('ACL', 'SETUSER', 'gate', 'on');
    ok defined recovers($t), '... until he is back';

    $t->write_file('redis.password', "wrong-$secret\n");
    $t->nginx->reload;
    ok eval {
        wait_until('the refusal', sub {
            return redis($t)->{reason} eq 'AUTH was answered by WRONGPASS';
        });
    }, 'a wrong password';
    unlike slurp($t->home . '/error.log'), qr/$secret/,
        'no password is ever logged';
    unlink $t->home . '/redis.password';

    $t->stop;
}


# over TCP, with more than one address; two workers
{
    my ($port) = free_ports(1);
    my $t = fixture('', workers => 2, server => { port => $port },
        http => "proctor_redis 127.0.0.1:$port connect_timeout=200ms;");
    becomes($t, 'ready');
    wait_until('both workers', sub { 2 == (my @names = $redis->clients) });
    is join(' ', sort map { /-(\d)-/ } $redis->clients), '0 1',
        'over TCP, a connection a worker';

    $t->nginx->write_conf($t->conf =~ s/redis 127.0.0.1/redis localhost/r);
    $t->nginx->reload;
    ok defined recovers($t, 3), 'a host name, even when only one address works';
    $t->stop;
}


# roles and states of a real server
{
    my $t = fixture('');
    becomes($t, 'ready');

    $redis->command('CONFIG', 'SET', 'replica-serve-stale-data', 'no');
    my ($nobody) = free_ports(1);
    $redis->command('REPLICAOF', '127.0.0.1', $nobody);
    my $said = redis($t);
    is $said->{ping}, 'masterdown', 'a replica without its master';
    is becomes($t, 'off')->{reason} =~ /MASTERDOWN|masterdown/, 1,
        '... is not the server that it was';
    $redis->command('REPLICAOF', 'NO', 'ONE');
    ok defined recovers($t), '... until it is';

    $redis->command('CONFIG', 'SET', 'maxmemory', 1);
    is redis($t)->{ping}, 'reply', 'without memory it still answers reads';
    $redis->command('CONFIG', 'SET', 'maxmemory', 0);

    my $only = $redis->connection;
    my $ask = sub {
        print {$only} Proctor::Test::Redis::render(@_);
        $only->flush;
        return Proctor::Test::Redis::reply($only);
    };
    $ask->(qw(CONFIG SET maxclients 1));
    $ask->(qw(CLIENT KILL TYPE normal SKIPME yes));
    $said = wait_until('no more clients', sub {
        my $said = redis($t);
        return $said->{reason} =~ /max/ ? $said : undef;
    }, 3);
    is $said->{reason}, 'maxclients, then the end',
        'a server with no room says so';
    $ask->(qw(CONFIG SET maxclients 100));
    ok defined recovers($t), '... until it has';

    # loading
    $redis->command('DEBUG', 'POPULATE', 20000);
    $redis->command('SAVE');
    $redis->kill;
    $redis->{args} = ['--key-load-delay', 50,
        '--loading-process-events-interval-bytes', 1024];
    my $reasons = '';
    $redis->start;
    wait_until('the server to have loaded', sub {
        my $said = redis($t);
        $reasons .= "$said->{reason}\n";
        return $said->{ping} eq 'reply';
    }, 20);
    like $reasons, qr/PING was answered by LOADING/, 'a server that is loading';

    $t->stop;
}

done_testing;
