# conf/quickstart, as a newcomer meets it: what it prints works, what it writes
# is the owner's alone, and nothing is left behind.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Cwd qw(abs_path);
use File::Temp ();
use JSON::PP;
use POSIX ();
use Proctor::Test::Http;
use Proctor::Test::Wait qw(connects free_ports slurp wait_until);
use Test::More;

my $root = abs_path("$FindBin::Bin/..");
my $temp = File::Temp->newdir('proctor-XXXXXXXX', TMPDIR => 1);
my $home = "$temp/home";
my ($port, $other) = free_ports(2);
my %started;

plan skip_all => 'starts what make built without sanitizers'
    if ($ENV{TEST_NGINX_BINARY} // '/usr/sbin/nginx') ne '/usr/sbin/nginx';

first_run();
second_run();

done_testing;


sub first_run {
    my $run = start(home => $home, port => $port);
    hello($run);

    my @lines = grep { /^\s*curl / } split /\n/, slurp($run->{out});
    is(scalar @lines, 3, 'three curl lines');
    for my $line (@lines) {
        my ($url) = $line =~ /(\S+)\z/;
        my $answer = `$line -sS -o /dev/null -w '%{http_code}' 2>&1`;
        like($answer, qr/\A20[01]\z/, "as it stands: $url");
    }

    my $again = `$lines[0] -sS 2>&1`;
    like($again, qr/^Cache-Status: proctor; hit/mi,
        'the first one, run twice: the answer is in the cache');

    my %key = demo_env();
    is($key{PROCTOR_URL}, "http://127.0.0.1:$port", 'PROCTOR_URL');
    is(status(GET => $key{PROCTOR_KEY}), 200, 'PROCTOR_KEY may read');
    is(status(DELETE => $key{PROCTOR_KEY}), 404, 'and delete');
    is(status(GET => $key{PROCTOR_VIEWER_KEY}), 200,
        'PROCTOR_VIEWER_KEY may read');
    is(status(DELETE => $key{PROCTOR_VIEWER_KEY}), 403, 'and no more');

    trail($run);
    without_redis($key{PROCTOR_KEY});

    my @all = ($run->{pid}, descendants($run->{pid}));
    my $secret = join '|', map { quotemeta } @key{qw(PROCTOR_KEY
        PROCTOR_VIEWER_KEY)}, qw(SANDBOX_ sandbox-);
    is(scalar(grep { slurp("/proc/$_/cmdline") =~ /$secret/ } @all), 0,
        'no secret on a command line');

    refused('in the same home', { home => $home, port => $other },
        qr/already runs/);
    refused('on the same port', { home => "$temp/two", port => $port },
        qr/port $port is in use/);

    ends($run, 'INT', 0, @all);
    %started = %key;
}


# The line that it prints says that all is well.
sub trail {
    my ($run) = @_;

    my ($line) = slurp($run->{out}) =~ /^\s*(\S+ audit verify .*)$/m;
    ok($line, 'how to verify the trail');
    wait_until('the trail to be sealed',
        sub { `$line 2>&1` =~ /whole: \d+ records, \d+ sealed/ });
    is($?, 0, 'and it is whole');
}


# Quotas are counted in the Redis that came along, and without it, too.
sub without_redis {
    my ($token) = @_;

    like(slurp("$home/nginx.conf"), qr/^\s*proctor_redis unix:\S+ /m,
        'it has a Redis of its own');
    my ($socket) = slurp("$home/nginx.conf") =~ /proctor_redis unix:(\S+) /;
    my $keys = `redis-cli -s '$socket' --scan`;
    like($keys, qr/^proctor:\{demo\}:/m, 'which counts the quotas');

    system "redis-cli -s '$socket' shutdown nosave >/dev/null 2>&1";
    is(status(GET => $token), 200, 'and which may go');
}


sub second_run {
    my $run = start(home => $home, port => $port);
    hello($run);

    my %key = demo_env();
    isnt($key{PROCTOR_KEY}, $started{PROCTOR_KEY}, 'a fresh key at each start');
    is(status(GET => $started{PROCTOR_KEY}), 401, 'the old one is refused');

    my @all = ($run->{pid}, descendants($run->{pid}));
    my ($sandbox) = grep { slurp("/proc/$_/cmdline") =~ m{t/sandbox} } @all;
    ok($sandbox, 'the sandbox runs');
    kill TERM => $sandbox;
    ends($run, undef, 1, @all);
    like(slurp($run->{out}), qr/the sandbox has stopped/, 'and says why');
}


# Starts the script in a process group of its own, without the keys of
# whoever runs the tests.
sub start {
    my (%args) = @_;

    my $out = "$temp/out-" . ++$started{count};
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        delete @ENV{qw(RESPAN_API_KEY PREFACTOR_API_TOKEN)};
        $ENV{PROCTOR_HOME} = $args{home};
        $ENV{PROCTOR_PORT} = $args{port};
        $SIG{INT} = 'DEFAULT';
        open STDIN,  '<',  '/dev/null';
        open STDOUT, '>',  $out;
        open STDERR, '>&', \*STDOUT;
        exec "$root/conf/quickstart" or POSIX::_exit(127);
    }

    return { pid => $pid, out => $out };
}


sub hello {
    my ($run) = @_;

    wait_until('the gateway', sub {
        die "it ended:\n", slurp($run->{out})
            if waitpid($run->{pid}, POSIX::WNOHANG()) == $run->{pid};
        return slurp($run->{out}) =~ /Ctrl-C/ && connects($port);
    }, 60);
    pass('it says hello');
}


sub demo_env {
    is((stat "$home/demo.env")[2] & 07777, 0600, 'demo.env is its owner\'s');
    return map { /\A(\w+)=(.*)\z/ ? ($1, $2) : () }
        split /\n/, slurp("$home/demo.env");
}


sub status {
    my ($method, $token) = @_;

    my $path = '/api/v2/experiments/';
    $path .= 'nothing/' if $method eq 'DELETE';
    my $conn = Proctor::Test::Http->new(port => $port);
    $conn->send(Proctor::Test::Http::render($method, $path,
        headers => ['Authorization', "Bearer $token", 'Connection', 'close']));
    my $answer = $conn->answer(method => $method);
    $conn->close;

    return $answer && $answer->{status};
}


sub descendants {
    my ($pid) = @_;

    my @children = split ' ', slurp("/proc/$pid/task/$pid/children");
    return map { ($_, descendants($_)) } @children;
}


sub refused {
    my ($what, $args, $why) = @_;

    my $run = start(%$args);
    waitpid $run->{pid}, 0;
    is($? >> 8, 1, "a second start $what is refused");
    my @said = split /\n/, slurp($run->{out});
    is(scalar @said, 1, 'in one line');
    like($said[0], $why, 'that says why');
}


sub ends {
    my ($run, $signal, $status, @all) = @_;

    kill $signal => $run->{pid} if $signal;
    waitpid $run->{pid}, 0;
    is($? >> 8, $status, 'it ends with ' . $status);
    is(scalar(grep { kill 0 => $_ } @all), 0, 'and leaves nothing running')
        or kill TERM => grep { kill 0 => $_ } @all;
}
