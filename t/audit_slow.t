use strict;
use warnings;

# A disk that takes its time: durable calls wait for it, and are refused when it
# is late; nobody else notices.
#
# Two gateways answer the same reads in turn, one with durable calls on a slow
# disk, the other with nothing else to do: what else the machine does moves both.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::Strace;
use Proctor::Test::Trail;
use Proctor::Test::Wait qw(wait_until);
use Test::More;
use Time::HiRes qw(time);

my $base = '/api/v2/experiments';
my $ok = { status => 200, json => { id => 'exp_1' }, times => 0 };
my $why = Proctor::Test::Strace::missing();
plan skip_all => $why if $why;

my $rounds = $ENV{PROCTOR_LONG} ? 100 : 12;
my $reads = 25;    # in a round; one of them in 25 is more than p99


sub begin {
    my ($delay) = @_;

    my $t = Proctor::Test::Trail::fixture(trail => 'timeout=300ms');
    push @{ $t->nginx->{expected} }, qr/proctor audit: .* failed/;
    $t->sandbox->behave($ok);
    is $t->request(DELETE => "$base/e/", key => 'admin')->{status}, 200,
        'a durable call';
    my ($worker) = $t->nginx->workers;
    my $s = Proctor::Test::Strace->new($worker, '-e', 'trace=fdatasync',
        '-e', "inject=fdatasync:delay_enter=$delay");
    return ($t, $s);
}


sub send_delete {
    my ($t, $rid) = @_;

    my $conn = $t->connect;
    $conn->send($t->bytes(DELETE => "$base/e/", key => 'admin', rid => $rid));
    return $conn;
}


sub whole {
    my ($t, $name, @sent) = @_;

    my ($status, $text) = Proctor::Test::Trail::whole($t);
    is $status, 0, "$name: the trail is whole" or diag $text;
    my @got = map { Proctor::Test::Sandbox::values_of($_, 'X-Request-Id') }
        grep { $_->{method} eq 'DELETE' } $t->sandbox->log;
    my @faults = Proctor::Test::Trail::faults($t, sent => \@got);
    is_deeply \@faults, [], '... nothing happened unaudited';
}


# others are not moved: an fdatasync takes 2 s
{
    my %at = (slow => [begin(2_000_000)], quick => [begin(1)]);
    my (%took, @conns);

    for my $round (1 .. $rounds) {
        push @conns, send_delete($at{slow}[0], Proctor::Test::rid());
        for (1 .. $reads) {
            for my $name ('slow', 'quick') {
                my $begin = time;
                $at{$name}[0]->request(GET => "$base/e/", key => 'admin');
                push @{ $took{$name} }, time - $begin;
            }
        }
    }

    my %p99 = map {
        my @sorted = sort { $a <=> $b } @{ $took{$_} };
        ($_ => $sorted[0.99 * @sorted]);
    } keys %took;
    my $ratio = $p99{slow} / $p99{quick};
    note sprintf 'p99 of %d reads: %.2f ms with a slow disk, %.2f ms without: '
        . '%.2f times', $rounds * $reads, 1000 * $p99{slow},
        1000 * $p99{quick}, $ratio;
    cmp_ok $ratio, '<', 10, 'a slow disk does not slow reads';

    my %status;
    $status{ $_->answer->{status} }++ for @conns;
    $_->close for @conns;
    cmp_ok $status{503} // 0, '>', 0, 'durable calls were refused meanwhile';
    $_->[1]->stop for values %at;
    for my $name (sort keys %at) {
        whole($at{$name}[0], $name);
        $at{$name}[0]->stop;
    }
}


# a refusal does not wait for the disk; what was late is never forwarded
{
    my ($t, $s) = begin(20_000_000);
    my ($late, $left, $slow_to_end) = map { Proctor::Test::rid() } 1 .. 3;
    my $conn = send_delete($t, $late);
    my $leaves = send_delete($t, $left);

    # what follows its request keeps nginx from ending it with its answer
    my $lingers = $t->connect;
    $lingers->send($t->bytes(DELETE => "$base/e/", key => 'admin',
        rid => $slow_to_end, headers => ['Connection', 'close']) . 'x');
    is $t->request(GET => "$base/e/", key => 'admin')->{status}, 200, 'a read';
    $leaves->reset;

    is $conn->answer->{status}, 503, 'a durable call is refused';
    $conn->close;
    is $t->request(DELETE => "$base/e/", key => 'admin')->{status}, 503,
        '... and the next, which waits for its turn';
    is $lingers->answer->{status}, 503, '... and one that is slow to end';
    is scalar(grep { $_->{name} eq 'fdatasync' } $s->calls), 0,
        '... before the disk is done';
    $s->stop;

    my $record = $t->audit($late);
    is "$record->{kind} $record->{result} $record->{reason}",
        'outcome timeout audit_late', 'late on the disk: its outcome says so';
    $record = $t->audit($slow_to_end);
    is "$record->{kind} $record->{result} $record->{reason}",
        'outcome timeout audit_late', '... before its request has ended';
    $lingers->close;
    $record = $t->audit($left);
    like "$record->{kind} " . ($record->{result} // ''),
        qr/\A(?:outcome client_gone|denied )\z/, 'left: so does that';
    is scalar($t->upstream($_)), 0, '... never forwarded' for $late, $left,
        $slow_to_end;
    wait_until('calls to go well again', sub {
        $t->request(DELETE => "$base/e/", key => 'admin')->{status} == 200;
    });
    whole($t, 'late');
    $t->stop;
}


# as many wait as there is room for; more are refused at once
SKIP: {
    my $room = 1024;
    skip 'too few files may be open', 1
        if system("prlimit --pid $$ --nofile=@{[ 3 * $room ]}: 2>/dev/null");

    my $t = Proctor::Test::Trail::fixture(trail => 'timeout=60s',
        connections => 4 * $room, main => 'worker_rlimit_nofile 4096;');
    push @{ $t->nginx->{expected} }, qr/proctor audit: .* failed/;
    $t->sandbox->behave($ok);
    my ($worker) = $t->nginx->workers;
    my $s = Proctor::Test::Strace->new($worker, '-e', 'trace=fdatasync',
        '-e', 'inject=fdatasync:delay_enter=60000000');

    # one is on its way to the disk, and then
    my $first = send_delete($t, Proctor::Test::rid());
    my $size = -s $t->{trail};
    wait_until('the first intent', sub { -s $t->{trail} > $size
        || Proctor::Test::Wait::slurp($t->{trail}) =~ /"kind":"intent"/ });
    my @waiting = map { send_delete($t, Proctor::Test::rid()) } 1 .. $room;
    my $refused = $t->request(DELETE => "$base/e/", key => 'admin');
    is $refused->{status}, 503, 'one more than can wait is refused';
    is $t->audit($refused)->{reason}, 'audit_down', '... at once';
    is scalar(grep { $_->{name} eq 'fdatasync' } $s->calls), 0,
        '... while the others wait';
    is $t->request(GET => "$base/e/", key => 'admin')->{status}, 200,
        '... and reads go on';

    $s->stop;
    my %status;
    $status{ $_->answer->{status} }++ for $first, @waiting;
    $_->close for $first, @waiting;
    is_deeply \%status, { 200 => $room + 1 }, 'all that wait have their turn';
    whole($t, 'a full queue');
    $t->stop;
}

done_testing();
