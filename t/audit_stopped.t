use strict;
use warnings;

# A worker stands still, as under a debugger, or on a machine that swaps: the one
# that seals, one that holds a file that was moved, one whose call is under way.
# The others go on; when it does, or when it is killed, nothing is missing.
#
#   PROCTOR_LONG=1   also for longer than a sealer has patience

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::Trail;
use Proctor::Test::Wait qw(freeze slurp wait_until);
use Test::More;
use Time::HiRes qw(sleep);

my $path = '/api/v2/experiments/e/';
my $ok = { status => 200, json => { id => 'exp_1' }, times => 0 };
my $moved = 0;

my $t = Proctor::Test::Trail::fixture(workers => 2);
my $nginx = $t->nginx;
push @{ $nginx->{expected} }, qr/exited on signal 9/;
$t->{killed} = 1;
$t->sandbox->behave($ok);


sub calls_are_fine {
    my ($name) = @_;

    my %status;
    for (1 .. 20) {
        my $r = $t->request(DELETE => $path, key => 'admin');
        $status{ $r ? $r->{status} : 0 }++;
    }
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is_deeply \%status, { 200 => 20 }, $name;
}


sub holds {
    my ($name) = @_;

    my @sent = map { Proctor::Test::Sandbox::values_of($_, 'X-Request-Id') }
        grep { $_->{method} eq 'DELETE' } $t->sandbox->log;
    my ($status, $text) = Proctor::Test::Trail::whole($t);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is $status, 0, "$name: whole" or diag $text;
    is_deeply [Proctor::Test::Trail::faults($t, sent => \@sent)], [],
        '... one outcome for each intent';
}


sub sealer {
    return wait_until('a sealer', sub {
        my @workers = grep { Proctor::Test::Trail::seals($t, $_) }
            $nginx->workers;
        return @workers == 1 && $nginx->workers == 2 && $workers[0];
    });
}

sub other { my $sealer = sealer(); return (grep { $_ != $sealer } $nginx->workers)[0] }


sub move { rename $t->{trail}, "$t->{trail}." . ++$moved }


calls_are_fine('nobody stands still');
holds('... and');


# the one that seals
for my $end ('CONT', 'KILL') {
    for my $move (0, 1) {
        my $sealer = sealer();
        my $name = $move ? 'moved, and ' : '';
        freeze($sealer);
        my $notes = -s "$t->{trail}.checkpoints";
        move() if $move;
        calls_are_fine("${name}whoever seals stands still: calls are fine");
        is -s "$t->{trail}.checkpoints", $notes, '... nothing is sealed';
        kill $end, $sealer;
        wait_until('a checkpoint',
            sub { -s "$t->{trail}.checkpoints" > $notes });
        pass "... until it is told to $end";
        holds("$name$end");
    }
}


# one that does not, and holds the file that was moved
for my $end ('CONT', 'KILL') {
    my $other = other();
    my ($id) = slurp($t->{trail}) =~ /"file":"(\w+)"/;
    freeze($other);
    move();
    calls_are_fine('another stands still: calls are fine');
    ok -e "$t->{trail}.$id.open", '... and the file that it holds is kept';
    kill $end, $other;
    wait_until('it to be let go', sub { !-e "$t->{trail}.$id.open" });
    holds("moved, $end");
}


# one whose call is under way: it lives, and its outcome is not unknown
for my $end ('CONT', 'KILL') {
    $t->sandbox->clear;
    $t->sandbox->behave({ %$ok, times => 1, hold => 'still' });
    my $rid = Proctor::Test::rid();
    my $conn = $t->connect;
    $conn->send($t->bytes(DELETE => $path, key => 'admin', rid => $rid));
    $t->sandbox->wait(held => 1);
    my $worker = wait_until('the worker that has the call', sub {
        my ($worker) = grep { connected($_, $conn) } $nginx->workers;
        return $worker;
    });
    my $results = sub {
        my ($intent) = grep { ($_->{rid} // '') eq $rid }
            Proctor::Test::Trail::records($t);
        return map { $_->{result} } grep { $_->{kind} eq 'outcome'
            && $_->{id} eq $intent->{id} } Proctor::Test::Trail::records($t);
    };

    freeze($worker);
    $t->sandbox->release('still');
    $t->sandbox->clear;
    $t->sandbox->behave($ok);
    calls_are_fine('a call of one that stands still: calls are fine');
    sleep 0.3 if !Proctor::Test::Trail::seals($t, $worker); # rounds go by
    is_deeply [$results->()], [], '... that one is still open'
        or diag grep { /"rid":"$rid"/ } Proctor::Test::Trail::lines($t);
    kill $end, $worker;
    wait_until('its outcome', sub { $results->() });
    is_deeply [$results->()], [$end eq 'CONT' ? 'ok' : 'unknown'],
        "... and ends, $end";
    is $conn->answer->{status}, 200, '... as its client is told'
        if $end eq 'CONT';
    $conn->close;
    holds("its call, $end");
}


# longer than anybody waits for it
if ($ENV{PROCTOR_LONG}) {
    my $other = other();
    my ($id) = slurp($t->{trail}) =~ /"file":"(\w+)"/;
    freeze($other);
    move();
    calls_are_fine('it stands still for ever: calls are fine');
    wait_until('its file to be sealed without it',
        sub { !-e "$t->{trail}.$id.open" }, 30);
    holds('... which is over');
    kill 'CONT', $other;
    calls_are_fine('... and goes on');
    holds('... in the file that there is');
}

$t->done;


# The worker has this client's connection.
sub connected {
    my ($worker, $conn) = @_;

    my $port = sprintf '%04X', $conn->{socket}->sockport;
    my @inodes = slurp('/proc/net/tcp')
        =~ /^\s*\d+: \S+ [0-9A-F]{8}:$port\s+01\s+\S+\s+\S+\s+\S+\s+\d+\s+\d+\s+(\d+)/mg;
    my %open = map { (readlink($_) // '') =~ /socket:\[(\d+)\]/ ? ($1 => 1) : () }
        glob "/proc/$worker/fd/*";
    return grep { $open{$_} } @inodes;
}
