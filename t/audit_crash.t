use strict;
use warnings;

# Workers, and the master with them, are killed at random under load.  For every
# durable call that the upstream received there is an intent, for every success
# that a client was told of an outcome, and after each start the trail is whole.
#
#   PROCTOR_LONG=1     a thousand rounds instead of thirty
#   PROCTOR_ROUNDS=n   so many
#   PROCTOR_SEED=n     the same rounds again, as far as the machine lets them

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::Callers;
use Proctor::Test::Trail;
use Proctor::Test::Wait qw(slurp wait_until);
use Test::More;
use Time::HiRes qw(sleep);

my $rounds = $ENV{PROCTOR_ROUNDS} // ($ENV{PROCTOR_LONG} ? 1000 : 30);
my $seed = $ENV{PROCTOR_SEED} // time;
srand $seed;
note "PROCTOR_SEED=$seed";

my $t = Proctor::Test::Trail::fixture(workers => 2);
my $nginx = $t->nginx;
push @{ $nginx->{expected} }, qr/exited on signal 9|was locked by/;
$t->{killed} = 1;
$t->sandbox->behave(
    { status => 200, json => { id => 'exp_1' }, times => 0 });

# how it goes on is the same: there are two workers, and they serve
my %victims = (
    worker  => sub { my @workers = $nginx->workers; $workers[rand @workers] },
    workers => sub { $nginx->workers },
    master  => sub { ($nginx->{pid}, $nginx->workers) },
);
my @kinds = qw(worker worker workers master);
my (%told, %killed, %results);
my ($held, $sent, $seen) = (0, 0, 0);

for my $round (1 .. $rounds) {
    my $callers = Proctor::Test::Callers->new($t, 4);
    sleep 0.02 + rand 0.15;    # when it happens, not a wait

    my $kind = $kinds[rand @kinds];
    $killed{$kind}++;
    murder($victims{$kind}->());
    %told = (%told, $callers->stop);

    $held += holds("round $round");
    next if $round % 50;

    count();
    Proctor::Test::Trail::begin($t);
    %told = ();
    $seen = $t->sandbox->log;
}

count();
is $held, $rounds, "$rounds rounds";
note join ' ', 'killed:', map { "$_ $killed{$_}" } sort keys %killed;
note "$sent durable calls came to the upstream, their outcomes: ",
    join ' ', map { "$_ $results{$_}" } sort keys %results;
cmp_ok $sent, '>', 5 * $rounds, '... under load' unless $ENV{ASAN_OPTIONS};
cmp_ok $results{unknown} // 0, '>', 0, '... that left some open';

$t->done;


# Those are killed, and what the others do goes on for a while.
sub murder {
    my (@pids) = @_;

    my $master = $nginx->{pid};
    kill 'KILL', @pids;

    if ($pids[0] != $master) {
        sleep rand 0.05;
        return;
    }

    waitpid delete $nginx->{pid}, 0;
    wait_until('the workers to be gone',
        sub { !grep { -e "/proc/$_" } @pids }, 60);
    $nginx->start($t->port);
}


# Durable calls that the upstream received, since the trail began.
sub received {
    my @log = $t->sandbox->log;

    return map { Proctor::Test::Sandbox::values_of($_, 'X-Request-Id') }
        grep { $_->{method} eq 'DELETE' } @log[$seen .. $#log];
}


# Whether all that has to hold does.
sub holds {
    my ($name) = @_;

    my ($status, $text) = Proctor::Test::Trail::whole($t);
    my @faults = $status ? $text : Proctor::Test::Trail::faults($t,
        sent => [received()],
        told => [Proctor::Test::Callers::successes(%told)]);

    return 1 if !@faults;
    fail $name;
    diag join "\n", @faults[0 .. ($#faults < 5 ? $#faults : 5)];
    return 0;
}


sub count {
    $sent += received();
    $results{ $_->{result} }++ for grep { $_->{kind} eq 'outcome' }
        Proctor::Test::Trail::records($t);
}
