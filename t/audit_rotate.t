use strict;
use warnings;

# The trail is rotated under load, by mv alone and with USR1, through reloads
# and through changes of the binary that go on and that are taken back.  No call
# fails, none is missing from the trail, and its files are one chain.
#
#   PROCTOR_LONG=1      five minutes
#   PROCTOR_SECONDS=n   so long

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Proctor::Test;
use Proctor::Test::Callers;
use Proctor::Test::Trail;
use Proctor::Test::Upgrade;
use Proctor::Test::Wait qw(slurp wait_until);
use Test::More;
use Time::HiRes qw(sleep time);

my $seconds = $ENV{PROCTOR_SECONDS} // ($ENV{PROCTOR_LONG} ? 300 : 8);
my $json = JSON::PP->new->utf8;

Proctor::Test::Upgrade::adopt_orphans();
my $t = Proctor::Test::Trail::fixture(workers => 2, stopped => 1,
    main => \&Proctor::Test::Upgrade::environment);
my $nginx = $t->nginx;
Proctor::Test::Upgrade::start($t);
$t->sandbox->behave(
    { status => 200, json => { id => 'exp_1' }, times => 0 });

my ($moves, %done) = (0);

# one after the other, each a second; a file is moved in each
my @steps = (
    mv      => sub { move() },
    USR1    => sub { move(); $nginx->signal('USR1') },
    HUP     => sub { move(); $nginx->signal('HUP') },
    storm   => sub { for (1 .. 5) { $nginx->signal('HUP'); sleep 0.05 } move() },
    upgrade => sub { upgrade('commit') },
    USR1    => sub { $nginx->signal('USR1'); move() },
    back    => sub { upgrade('rollback') },
);

my $callers = Proctor::Test::Callers->new($t, 4);
my $end = time + $seconds;

for (my $i = 0; time < $end || keys %done < @steps / 2 - 1; $i++) {
    my ($name, $step) = @steps[2 * $i % @steps, 2 * $i % @steps + 1];
    my $next = time + 1;
    $step->();
    $done{$name}++;
    sleep $next - time if $next > time;    # the pace, not a wait
}

my %told = $callers->stop;
note join ' ', 'done:', map { "$_ $done{$_}" } sort keys %done;
is_deeply [grep { $told{$_} != 200 } sort keys %told], [],
    'of ' . keys(%told) . " calls none failed, over $moves moves";
cmp_ok scalar(keys %told), '>', 20 * $seconds, '... and there were many'
    unless $ENV{ASAN_OPTIONS};

my ($status, $text) = Proctor::Test::Trail::whole($t);
is $status, 0, 'the trail is whole' or diag $text;

my @sent = map { Proctor::Test::Sandbox::values_of($_, 'X-Request-Id') }
    grep { $_->{method} eq 'DELETE' } $t->sandbox->log;
my @faults = Proctor::Test::Trail::faults($t, sent => \@sent,
    told => [Proctor::Test::Callers::successes(%told)]);
is_deeply \@faults, [], '... with one outcome for each intent'
    or diag join "\n", @faults[0 .. ($#faults < 5 ? $#faults : 5)];

my %reads = map { ($_->{rid} // '') => 1 }
    grep { $_->{kind} eq 'call' } Proctor::Test::Trail::records($t);
my @lost = grep { /-get-/ && !$reads{$_} } sort keys %told;
is_deeply \@lost, [], '... and every read';

my @files = Proctor::Test::Trail::files($t);
is scalar(@files), $moves + 1, '... in as many files as it was moved';
is_deeply [forks(@files)], [], '... which are one chain';

$t->done;


# Whoever moves a file waits until there is one.
sub move {
    wait_until('a file', sub { -s $t->{trail} }, 60);
    rename $t->{trail}, sprintf '%s.%04d', $t->{trail}, ++$moves;
}


sub upgrade {
    my ($how) = @_;

    my $both = Proctor::Test::Upgrade->new($t);
    move();
    sleep 0.3;    # both serve, and write
    move();
    $both->$how;
    move();
}


# What is wrong with the order of files that their start records tell.
sub forks {
    my (@files) = @_;

    my (%follows, %is, @wrong);
    for my $file (@files) {
        my ($line) = slurp($file) =~ /\A([^\n]+)\n/;
        my $start = $json->decode($line);
        my $before = $start->{previous} ? $start->{previous}{file} : 'none';
        push @wrong, "$file and $follows{$before} follow $before"
            if $follows{$before};
        $follows{$before} = $file;
        $is{ $start->{file} } = 1;
    }

    push @wrong, map { "nobody has $_, which $follows{$_} follows" }
        grep { $_ ne 'none' && !$is{$_} } keys %follows;
    return sort @wrong;
}
