use strict;
use warnings;

# Reloads: none costs a request, a bad file keeps the old configuration, and
# nothing grows.  PROCTOR_LONG=1 reloads for a minute.

use FindBin;
use lib "$FindBin::Bin/lib";
use POSIX ();
use Proctor::Test;
use Proctor::Test::Wait qw(slurp wait_until);
use Test::More;
use Time::HiRes qw(sleep time);

my $base = '/api/v2/experiments';
my $body = '{"dataset_id":"d","evaluator_ids":["e"],"workflow":[{"type":"t"}]}';
my $t = Proctor::Test->new(workers => 2);
my $seconds = $ENV{PROCTOR_LONG} ? 60 : 4;


# a bad file: the reload is refused, by name and place, and the old one serves
my %good = map { $_ => slurp($t->home . "/$_") }
    qw(respan.json prefactor.json teams.json nginx.conf);

for my $case (
    ['respan.json', 'no JSON', sub { '{' }, qr/respan\.json/],
    ['respan.json', 'an unknown keyword',
        sub { $_[0] =~ s/"operationId"/"operationIdd"/r },
        qr{respan\.json.*(?:/paths/|operationIdd)}],
    ['prefactor.json', 'a reference to nowhere',
        sub { $_[0] =~ s{"\$ref"\s*:\s*"#/components/\w+/\w+"}
            {"\$ref":"#/components/schemas/Nowhere"}r },
        qr/prefactor\.json/],
    ['teams.json', 'no JSON', sub { '[' }, qr/teams\.json/],
    ['teams.json', 'an account that is none',
        sub { $_[0] =~ s/"respan" : "acme"/"respan" : "acne"/r },
        qr{teams\.json.*/accounts/respan}],
    ['teams.json', 'a key from an empty variable',
        sub { $_[0] =~ s/PROCTOR_TEST_RESPAN/PROCTOR_TEST_UNSET/r },
        qr/teams\.json.*PROCTOR_TEST_UNSET/],
    ['teams.json', 'an unknown right',
        sub { $_[0] =~ s/"read"/"raed"/r }, qr/teams\.json.*raed/],
    ['nginx.conf', 'a contract that is none',
        sub { $_[0] =~ s/proctor respan;/proctor respam;/r }, qr/respam/],
) {
    my ($file, $name, $change, $why) = @$case;
    my $bad = $change->($good{$file});
    isnt $bad, $good{$file}, "$file: $name" or next;

    my @before = $t->nginx->workers;
    $t->write_file($file, $bad);
    my $said = $t->nginx->reload_refused($why);
    like $said, $why, '... is refused by its name';
    is "@{[$t->nginx->workers]}", "@before", '... the workers stay';
    is $t->request(GET => "$base/", key => 'admin')->{status}, 200,
        '... and serve';
    is $t->request(GET => '/api/v1/ping', key => 'admin')->{status}, 200,
        '... both APIs';
    $t->write_file($file, $good{$file});
}
$t->nginx->reload;
is $t->request(GET => "$base/", key => 'admin')->{status}, 200,
    'the good files again';


# A client until $end: kind 'new' opens a connection for each request, 'kept'
# keeps it and, as all clients do, tries again only when a connection that it
# had used before closed without a byte.  Returns (requests, failures).
sub client {
    my ($kind, $end) = @_;

    my ($n, @failed, $conn) = (0);

    while (time < $end) {
        my @call = $n % 3 == 0 ? (POST => "$base/", body => $body)
            : $n % 3 == 1 ? (GET => "$base/list/?page=1")
            : (GET => '/api/v1/ping');
        my $reused = defined $conn;
        $conn //= $t->connect;

        my ($method, $target, @body) = @call;
        my $rid = "$kind-$$-" . ++$n;
        my $r = eval {
            $conn->send($t->bytes($method, $target, key => 'admin',
                rid => $rid, @body));
            $conn->answer(method => $method);
        };

        if (!$r && $reused && !$@) {
            undef $conn;
            redo;
        }

        push @failed, $r ? "$r->{line} $r->{body}" : "no answer $@"
            if !$r || $r->{closed} || $r->{status} !~ /^20[01]$/;

        undef $conn if $kind eq 'new' || !$r
            || ($r->{headers}{connection} // '') eq 'close';
    }

    return ($n, @failed);
}

sub spawn_client {
    my ($kind, $end) = @_;

    my $file = $t->{dir} . "/client-$kind-" . Proctor::Test::rid();
    my $pid = fork // die "fork: $!\n";
    return [$pid, $file] if $pid;

    my ($n, @failed) = client($kind, $end);
    open my $fh, '>', $file or POSIX::_exit(1);
    print {$fh} join "\n", $n, @failed;
    CORE::close $fh;
    POSIX::_exit(0);
}


# HUP every 200 ms under load; the sandbox shall not collect what is created
$t->sandbox->behave({ match => { method => 'POST' }, times => 0,
    status => 201, json => {} });
my $end = time + $seconds;
my @clients = map { spawn_client($_, $end) } qw(new kept new kept);
my $reloads = 0;

while (time < $end - 0.5) {
    $t->nginx->signal('HUP');
    $reloads++;
    sleep 0.2;    # the pace of the reloads, not a wait
}

my $requests = 0;
my @failed;

for (@clients) {
    my ($pid, $file) = @$_;
    waitpid $pid, 0;
    is $?, 0, 'a client ended by itself';
    my ($n, @more) = split /\n/, slurp($file);
    $requests += $n // 0;
    push @failed, @more;
}

$t->sandbox->clear;
ok !@failed, "no request of $requests failed over $reloads reloads"
    or diag join "\n", scalar(@failed) . ' failed:',
        @failed[0 .. ($#failed < 5 ? $#failed : 5)];
ok $requests > 50 * $seconds, '... which were many';

# old workers end; the new ones are as many as they should be
sub alone {
    return eval {
        wait_until('two workers', sub {
            my $master = $t->nginx->{pid};
            return 2 == split ' ', slurp("/proc/$master/task/$master/children");
        }, 30);
    };
}

ok alone(), 'all old workers are gone';

# nothing grows in the master
{
    my $rss = sub { Proctor::Test::Nginx::resident($t->{nginx}{pid}) };
    my $files = sub { scalar(() = glob "/proc/$t->{nginx}{pid}/fd/*") };

    $t->nginx->reload for 1 .. 5;
    alone();
    my ($memory, $open) = ($rss->(), $files->());
    $t->nginx->reload for 1 .. 10;
    alone();
    cmp_ok $rss->() - $memory, '<', 2048, 'ten reloads cost no memory (KB)'
        if defined $memory;
    is $files->(), $open, '... and no descriptor';
}


# a request that is under way is finished by its old worker
{
    $t->sandbox->behave({ hold => 'slow', times => 1 });
    my $conn = $t->connect;
    $conn->send($t->bytes(POST => "$base/", key => 'admin', body => $body));
    $t->sandbox->wait(held => 1);
    $t->nginx->reload;
    $t->sandbox->release('slow');
    my $r = $conn->answer;
    like $r->{status}, qr/^20[01]$/, 'a call that outlives its configuration';
    $conn->close;
}

$t->done;
