use strict;
use warnings;

# Processes are killed, at random and between any two system calls.  For every
# durable call that the upstream received there is an intent, for every success
# that a client was told of an outcome, and the trail is whole again.
#
# PROCTOR_LONG=1: a thousand rounds.

use FindBin;
use lib "$FindBin::Bin/lib";
use POSIX ();
use Proctor::Test;
use Proctor::Test::Strace;
use Proctor::Test::Trail;
use Proctor::Test::Wait qw(slurp wait_until);
use Test::More;
use Time::HiRes qw(sleep);

my $base = '/api/v2/experiments';
my $ok = { status => 200, json => { id => 'exp_1' }, times => 0 };
my $rounds = $ENV{PROCTOR_LONG} ? 1000 : 30;
my $seed = $ENV{PROCTOR_SEED} // time;
srand $seed;
note "PROCTOR_SEED=$seed";

my (%told, %seen);


sub begin {
    my ($workers) = @_;

    %told = ();
    my $t = Proctor::Test::Trail::fixture(workers => $workers);
    push @{ $t->nginx->{expected} }, qr/exited on signal 9|was locked by/;
    $t->{killed} = 1;
    $t->sandbox->behave($ok);
    return $t;
}


# A client in a process of its own, that goes on until it is killed and notes
# the request ids that it was told 200 of.
sub client {
    my ($t, $name) = @_;

    my $log = "$t->{dir}/client-$name";
    my $pid = fork // die "fork: $!\n";
    return ($pid, $log) if $pid;

    open my $out, '>>', $log;
    $out->autoflush(1);
    for (my $n = 1; ; $n++) {
        my $rid = "c-$name-$n";
        my $r = eval { $t->request($n % 4 ? 'DELETE' : 'GET', "$base/e/",
            key => 'admin', rid => $rid) };
        print {$out} "$rid\n" if $n % 4 && $r && $r->{status} == 200;
        sleep 0.01 unless $r;
    }
}


sub end_clients {
    my (%clients) = @_;

    for my $pid (keys %clients) {
        kill 'KILL', $pid;
        waitpid $pid, 0;
        $told{$_} = 1 for slurp($clients{$pid}) =~ /^(\S+)\n/mg;
    }
}


# Whether all that has to hold does.
sub holds {
    my ($t, $name) = @_;

    my ($status, $text) = Proctor::Test::Trail::whole($t);
    my @sent = map { Proctor::Test::Sandbox::values_of($_, 'X-Request-Id') }
        grep { $_->{method} eq 'DELETE' } $t->sandbox->log;
    my @faults = $status ? $text : Proctor::Test::Trail::faults($t,
        sent => \@sent, told => [keys %told]);

    return 1 if !@faults;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    fail $name;
    diag join "\n", @faults[0 .. ($#faults < 5 ? $#faults : 5)];
    return 0;
}


# all of nginx
sub kill_all {
    my ($nginx) = @_;

    my @all = ($nginx->{pid}, $nginx->workers);
    kill 'KILL', @all;
    waitpid delete $nginx->{pid}, 0;
    wait_until('the workers to be gone', sub { !grep { -e "/proc/$_" } @all });
}


# at random, under load
{
    my $t = begin(2);
    my $nginx = $t->nginx;
    my ($held, $restarts) = (0, 0);

    for my $round (1 .. $rounds) {
        my %clients = map { client($t, "$round-$_") } 1 .. 4;
        sleep 0.02 + rand 0.15;

        if ($round % 4) {
            my @workers = $nginx->workers;
            kill 'KILL', $workers[rand @workers];
            sleep rand 0.05;
        }
        else {
            kill_all($nginx);
            $restarts++;
            $nginx->start($t->port);
        }

        end_clients(%clients);
        $held += holds($t, "round $round");
        Proctor::Test::Trail::begin($t) if $round % 50 == 0;
    }

    is $held, $rounds, "$rounds rounds, $restarts of them with a new start";
    cmp_ok scalar(keys %told), '>', 5 * $rounds, '... under load'
        unless $ENV{ASAN_OPTIONS};

    my %results;
    $results{ $_->{result} }++ for grep { $_->{kind} eq 'outcome' }
        Proctor::Test::Trail::records($t);
    note join ' ', map { "$_ $results{$_}" } sort keys %results;
    $t->stop;
}


# between any two system calls of one durable call
SKIP: {
    my $why = Proctor::Test::Strace::missing();
    skip $why, 1 if $why;

    my $t = begin(1);
    my $nginx = $t->nginx;
    my @calls = qw(accept4 recvfrom write lseek fdatasync fsync epoll_ctl
        connect socket writev sendto readv sendfile stat newfstatat fstat close);
    my ($kills, $held) = (0, 0);

    for my $call (@calls) {
        for my $n (1 .. 30) {
            my ($worker) = $nginx->workers;
            my $s = eval { Proctor::Test::Strace->new($worker, '-e',
                "trace=$call", '-e', "inject=$call:signal=KILL:when=$n") }
                or last;
            my $rid = "k-$call-$n";
            my $r = eval { $t->request(DELETE => "$base/e/", key => 'admin',
                rid => $rid) };
            $told{$rid} = 1 if $r && $r->{status} == 200;
            my $alive = -e "/proc/$worker"
                && slurp("/proc/$worker/status") !~ /^State:\s+Z/m;
            $s->stop;
            last if $alive && $r;

            $kills++;
            wait_until('another worker',
                sub { my ($w) = $nginx->workers; $w && $w != $worker }, 30);
            $held += holds($t, "killed at $call $n");
        }
    }

    cmp_ok $kills, '>', 10, "killed at $kills places";
    is $held, $kills, '... and all that has to hold held';
    $t->stop;
}

done_testing();
