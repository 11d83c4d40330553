use strict;
use warnings;

# An answer to a durable operation is held until its outcome is written: those
# of one turn of the event loop in one write(), all before the first answer
# leaves.  A write that fails, or is cut, is told to those whose outcome it had,
# and to no others.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::Strace;
use Proctor::Test::Trail;
use Proctor::Test::Wait qw(slurp wait_until);
use Test::More;

my $base = '/api/v2/experiments';
my $untraced = Proctor::Test::Strace::missing();
my $n = 8;
my $ok = { status => 200, json => { id => 'exp_1' }, times => 0 };


sub fixture {
    my $t = Proctor::Test::Trail::fixture(trail => "timeout=20s @_");
    push @{ $t->nginx->{expected} }, qr/proctor audit: .* failed/;
    return $t;
}


# Begins calls that all have come to the sandbox; the worker stands still when
# their answers reach it.  Each is [connection, request id].
sub answered {
    my ($t) = @_;

    $t->sandbox->clear;
    $t->sandbox->behave({ %$ok, hold => 'here' });
    my @calls = map { [$t->connect, Proctor::Test::rid()] } 1 .. $n;
    for (@calls) {
        my ($conn, $rid) = @$_;
        $conn->send($t->bytes(DELETE => "$base/exp_1/", key => 'admin',
            rid => $rid));
    }
    $t->sandbox->wait(held => $n);
    my ($worker) = $t->nginx->workers;
    kill STOP => $worker;
    wait_until('the worker to stand still',
        sub { slurp("/proc/$worker/stat") =~ /\) [Tt] / });
    $t->sandbox->release('here');
    wait_until('all answers', sub { unread($t->sandbox->port) == $n });

    return ($worker, @calls);
}


# Connections to this port whose other end has said what nobody has read yet.
sub unread {
    my ($port) = @_;

    my $peer = sprintf ':%04X', $port;
    return scalar grep { /\A\s*\d+: \S+ \S+$peer \S+ \S+:0*[1-9A-F][0-9A-F]* / }
        split /\n/, slurp('/proc/net/tcp');
}


# What each call was told: a status, or none.
sub told {
    my (@calls) = @_;

    return map { my $r = $_->[0]->answer; $_->[0]->close; $r->{status} } @calls;
}


# The outcomes of each call.
sub outcomes {
    my ($t, @calls) = @_;

    my %of;
    for (Proctor::Test::Trail::records($t)) {
        push @{ $of{ $_->{rid} // '' } }, $_ if $_->{kind} eq 'outcome';
    }
    return map { $of{ $_->[1] } || [] } @calls;
}


sub whole {
    my ($t, $name) = @_;

    my ($status, $text) = Proctor::Test::Trail::whole($t);
    is $status, 0, "$name: the trail is whole" or diag $text;
}


# What is owed leaves with the next that can.
sub recovers {
    my ($t, $name) = @_;

    $t->sandbox->clear;
    $t->sandbox->behave($ok);
    is $t->request(DELETE => "$base/exp_2/", key => 'admin')->{status}, 200,
        "$name: the next call goes well";
}


for my $fsync ('group', 'always', 'never') {
    my $t = fixture("fsync=$fsync");

    SKIP: {
        skip $untraced, 1 if $untraced;

        my ($worker, @calls) = answered($t);
        my $s = Proctor::Test::Strace->new($worker, '-1', '-s', 80, '-e',
            'trace=write,writev,sendfile');
        kill CONT => $worker;
        is join(' ', told(@calls)), join(' ', (200) x $n),
            "$fsync: $n answers in a turn";
        $s->stop;
        my @trace = $s->calls;
        my @writes = grep { $trace[$_]{args} =~ /\\"kind\\":\\"outcome/ }
            0 .. $#trace;
        my @answers = grep { $trace[$_]{args} =~ m{"HTTP/1\.1 200} } 0 .. $#trace;
        is scalar(@writes), 1, '... their outcomes are one write()';
        is scalar(@answers), $n, '... each is sent';
        cmp_ok $writes[0], '<', $answers[0], '... after that';

        ($worker, @calls) = answered($t);
        $s = Proctor::Test::Strace->new($worker, '-1', '-P', $t->{trail}, '-e',
            'trace=write', '-e', 'inject=write:error=EIO:when=1');
        kill CONT => $worker;
        is join(' ', told(@calls)), join(' ', (502) x $n),
            "$fsync: a write that fails is told to all";
        $s->stop;
        recovers($t, $fsync);
        is_deeply [map { [map { $_->{status} } @$_] } outcomes($t, @calls)],
            [([502]) x $n], '... one outcome each, which says so';
        whole($t, $fsync);
    }

    # clients that leave, in the same turn as the answers come
    my ($worker, @calls) = answered($t);
    $_->[0]->reset for @calls[0 .. $n / 2 - 1];
    kill CONT => $worker;
    is join(' ', told(@calls[$n / 2 .. $n - 1])), join(' ', (200) x ($n / 2)),
        "$fsync: who stays is answered";
    recovers($t, $fsync);
    is_deeply [map { scalar @$_ } outcomes($t, @calls)], [(1) x $n],
        '... one outcome for each, those who left too';
    # a client that has left before the rest of its answer comes
    $t->sandbox->clear;
    $t->sandbox->behave({ status => 200, body => 'x' x 200_000, hold => 'here',
        pace => { bytes => 4096, every => 0.001 } });
    my $call = [$t->connect, Proctor::Test::rid()];
    $call->[0]->send($t->bytes(DELETE => "$base/exp_1/", key => 'admin',
        rid => $call->[1]));
    $t->sandbox->wait(held => 1);
    $call->[0]->reset;
    $t->sandbox->release('here');
    wait_until('its outcome', sub { (outcomes($t, $call))[0][0] });
    recovers($t, $fsync);
    is join(' ', $t->nginx->workers), $worker, '... by the same worker';
    whole($t, $fsync);

    $t->stop;
}


# a write that is cut, after each of some numbers of bytes
SKIP: {
    my $t = fixture();
    my ($worker) = $t->nginx->workers;
    my $limit = sub {
        return system('prlimit', '--pid', $worker, "--fsize=$_[0]:");
    };
    skip 'prlimit cannot be used here', 1 if $limit->('unlimited');

    recovers($t, 'before');
    my ($outcome) = map { length } grep { /"kind":"outcome"/ }
        Proctor::Test::Trail::lines($t);

    my %seen;
    my @cuts = $ENV{PROCTOR_LONG} ? map { $_ / 7 } 0 .. 7 * $n : (0.5, 3, 5.5);
    for my $cut (@cuts) {
        (undef, my @calls) = answered($t);
        $limit->(int((-s $t->{trail}) + $cut * $outcome));
        kill CONT => $worker;
        my @told = told(@calls);
        $limit->('unlimited');
        recovers($t, "cut after $cut lines");
        is_deeply [map { [map { $_->{status} } @$_] } outcomes($t, @calls)],
            [map { [$_] } @told], '... each was told what its one outcome says';
        $seen{$_}++ for @told;
        whole($t, 'cut');
    }
    is join(' ', sort keys %seen), '200 502', 'some were cut, some were not';
    $t->stop;
}

done_testing;
