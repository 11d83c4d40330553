use strict;
use warnings;

# The machine's clock is set, forwards and backwards, while the trail is written,
# sealed and rotated: what is in it, and its order, do not depend on that.

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Proctor::Test;
use Proctor::Test::Callers;
use Proctor::Test::Trail;
use Proctor::Test::Wait qw(freeze slurp wait_until);
use Test::More;
use Time::HiRes qw(sleep);

my ($library) = glob '/usr/lib/*/faketime/libfaketimeMT.so.1';
plan skip_all => 'no libfaketime here' unless $library;
plan skip_all => 'a sanitizer has to be the first library' if $ENV{ASAN_OPTIONS};

my $path = '/api/v2/experiments/e/';
my $day = 86400;


# workers: of nginx; checkpoint: of the trail
sub begin {
    my (%args) = @_;

    my $t = Proctor::Test::Trail::fixture(
        workers => $args{workers},
        trail   => "checkpoint=$args{checkpoint}",
        main    => "env LD_PRELOAD; env FAKETIME_TIMESTAMP_FILE;\n"
            . "env FAKETIME_NO_CACHE; env FAKETIME_DONT_FAKE_MONOTONIC;\n",
        env     => {},
        prepare => sub {
            my ($t) = @_;
            set($t, 0);
            %{ $t->{args}{env} } = (
                LD_PRELOAD                   => $library,
                FAKETIME_TIMESTAMP_FILE      => "$t->{home}/clock",
                FAKETIME_NO_CACHE            => 1,
                FAKETIME_DONT_FAKE_MONOTONIC => 1,
            );
        },
    );
    $t->sandbox->behave(
        { status => 200, json => { id => 'exp_1' }, times => 0 });
    return $t;
}


# So many seconds beside the machine's own.
sub set {
    my ($t, $seconds) = @_;

    $t->write_file('clock.new', sprintf "%+d\n", $seconds);
    rename "$t->{home}/clock.new", "$t->{home}/clock";
}


sub call { $_[0]->request(DELETE => $path, key => 'admin') }


sub holds {
    my ($t, $name, @told) = @_;

    my @sent = map { Proctor::Test::Sandbox::values_of($_, 'X-Request-Id') }
        grep { $_->{method} eq 'DELETE' } $t->sandbox->log;
    my ($status, $text) = Proctor::Test::Trail::whole($t);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is $status, 0, "$name: whole" or diag $text;
    is_deeply [Proctor::Test::Trail::faults($t, sent => \@sent,
        told => \@told)], [], '... one outcome for each intent';
}


sub last_time {
    my ($t) = @_;
    return (Proctor::Test::Trail::records($t))[-1]{time};
}


# under load, and moved
{
    my $t = begin(workers => 2, checkpoint => '100ms');
    my $callers = Proctor::Test::Callers->new($t, 3);
    my $n = 0;

    for my $seconds (-$day, $day, -10, 3600, -365 * $day, 0) {
        set($t, $seconds);
        sleep 0.2;    # at each time something is written, not a wait
        wait_until('a file', sub { -s $t->{trail} });
        rename $t->{trail}, "$t->{trail}." . ++$n;
    }

    my %told = $callers->stop;
    is_deeply [grep { $told{$_} != 200 } keys %told], [],
        'of ' . keys(%told) . ' calls none minds the clock';
    my %years = map { substr($_->{time}, 0, 4) => 1 }
        Proctor::Test::Trail::records($t);
    cmp_ok scalar(keys %years), '>', 1, '... which was set';
    holds($t, '... the trail', Proctor::Test::Callers::successes(%told));
    $t->stop;
}


# a sign of life comes also when it is earlier than the last one
{
    my $t = begin(workers => 1, checkpoint => '100ms');
    call($t);
    holds($t, 'before the clock is set back');
    my $notes = sub { scalar(() = slurp("$t->{trail}.checkpoints") =~ /^gw/mg) };
    my $before = $notes->();
    set($t, -$day);
    wait_until('a sign of life', sub { $notes->() > $before });
    pass 'a clock that was set back does not silence the sealer';
    $t->stop;
}


# who takes over finds two files; the second one's clock was behind
{
    my $t = begin(workers => 1, checkpoint => '60s');
    push @{ $t->nginx->{expected} }, qr/exited on signal 9/;
    $t->{killed} = 1;

    $t->sandbox->clear;
    $t->sandbox->behave({ status => 200, json => { id => 'exp_1' },
        hold => 'held' });
    my $conn = $t->connect;
    $conn->send($t->bytes(DELETE => $path, key => 'admin', rid => 'over'));
    $t->sandbox->wait(held => 1);
    set($t, -$day);
    my ($id) = slurp($t->{trail}) =~ /"file":"(\w+)"/;
    rename $t->{trail}, "$t->{trail}.1";
    $t->sandbox->release('held');
    is $conn->answer->{status}, 200, 'its intent is in one file';
    $conn->close;
    like slurp($t->{trail}), qr/"kind":"outcome"/, '... its outcome in the next';

    my ($worker) = $t->nginx->workers;
    kill 'KILL', $worker;
    for my $round (1 .. 3) {
        wait_until('another worker', sub {
            my ($now) = $t->nginx->workers;
            return $now && $now != $worker;
        });
        $t->nginx->reload;
    }
    ok !-e "$t->{trail}.$id.open", 'the first is sealed to its end, first';
    holds($t, '... files are read in their order', 'over');
    $t->stop;
}


# who stands still holds a file that was moved: its patience is no clock's
{
    my $t = begin(workers => 2, checkpoint => '100ms');
    call($t);
    holds($t, 'before it stands still');
    my ($id) = slurp($t->{trail}) =~ /"file":"(\w+)"/;
    my $pin = "$t->{trail}.$id.open";
    my ($still) = grep { !Proctor::Test::Trail::seals($t, $_) }
        $t->nginx->workers;

    freeze($still);
    rename $t->{trail}, "$t->{trail}.1";
    is call($t)->{status}, 200, 'the other worker goes on in another file';
    sleep 0.3;    # rounds of the sealer go by
    set($t, $day);
    sleep 0.5;
    ok -e $pin, '... the one that is held is not given up';
    kill 'CONT', $still;
    wait_until('it to be let go', sub { !-e $pin });
    holds($t, '... before it is let go');
    $t->stop;
}

done_testing;
