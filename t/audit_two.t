use strict;
use warnings;

# Two gateways that were given one file, by mistake or while nginx's binary is
# changed: what both write is one trail.

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Proctor::Test;
use Proctor::Test::Callers;
use Proctor::Test::Trail;
use Proctor::Test::Wait qw(slurp wait_until);
use Test::More;
use Time::HiRes qw(sleep);

my $ok = { status => 200, json => { id => 'exp_1' }, times => 0 };


# Both fixtures; the second one's key and file are the first one's.
sub both {
    my ($checkpoint) = @_;

    my $one = Proctor::Test::Trail::fixture(
        trail => "checkpoint=$checkpoint");
    my $other = Proctor::Test::Trail::fixture(dir => $one->home,
        audit_options => "key=$one->{home}/audit.key origin=gw.test "
            . "checkpoint=$checkpoint");
    $_->sandbox->behave({ %$ok }) for $one, $other;

    return ($one, $other);
}


sub start_of { JSON::PP->new->decode(slurp($_[0]) =~ s/\n.*//sr) }


sub call { $_[0]->request(DELETE => '/api/v2/experiments/e/', key => 'admin') }


# Whether all that has to hold does, of the calls of both.
sub holds {
    my ($name, @both) = @_;

    my ($status, $text) = Proctor::Test::Trail::whole($both[0]);
    my @sent = map { Proctor::Test::Sandbox::values_of($_, 'X-Request-Id') }
        grep { $_->{method} eq 'DELETE' } map { $_->sandbox->log } @both;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is $status, 0, "$name: whole" or diag $text;
    my @faults = Proctor::Test::Trail::faults($both[0], sent => \@sent);
    is_deeply \@faults, [], '... one outcome for each intent of both'
        or diag join "\n", grep { defined } @faults[0 .. 4];
}


# a file that one of them made, and that was moved before the other knew of it
{
    my ($one, $other) = both('60s');
    my $file = $one->{trail};
    call($_) for $one, $other;

    for my $n (1 .. 3) {
        for my $t ($one, $other) {
            my $before = start_of($file)->{file};
            rename $file, "$file.$n-" . $t->port;
            is call($t)->{status}, 200, "moved: a call to one of the two";
            is start_of($file)->{previous}{file}, $before,
                '... makes a file that follows the one that was moved';
        }
    }

    $_->nginx->reload for $one, $other;
    holds('each made every other file', $one, $other);
    $_->stop for $one, $other;
}


# both at once, and one of them is killed
{
    my ($one, $other) = both('100ms');
    my $file = $one->{trail};
    push @{ $_->nginx->{expected} }, qr/exited on signal 9/ for $one, $other;
    $_->{killed} = 1 for $one, $other;

    for my $round (1 .. 4) {
        my @callers = map { Proctor::Test::Callers->new($_, 2) } $one, $other;
        for my $n (1 .. 3) {
            sleep 0.1;    # so many files, not a wait
            wait_until('a file', sub { -s $file });
            rename $file, "$file.$round-$n";
        }
        kill 'KILL', ($one, $other)[$round % 2]->nginx->workers;
        sleep 0.1;
        my %told = map { $_->stop } @callers;
        cmp_ok scalar(Proctor::Test::Callers::successes(%told)), '>', 10,
            'both are called' unless $ENV{ASAN_OPTIONS};
        holds("round $round", $one, $other);
    }
    $_->stop for $one, $other;
}


# Each has a key of its own, as when a gateway's is changed: who knows both finds
# one trail that is whole; who knows one is told whose word is missing.
{
    my $one = Proctor::Test::Trail::fixture;
    my $other = Proctor::Test::Trail::fixture(dir => $one->home,
        audit_options =>
            sub { "key=$_[0]{home}/audit.key origin=gw.test checkpoint=100ms" });
    my $command = Proctor::Test::Trail::command();
    $one->write_file('both.vkey',
        slurp("$one->{home}/audit.vkey") . slurp("$other->{home}/audit.vkey"));
    my $verify = sub {
        my ($keys) = @_;
        my $text = qx{$command audit verify $one->{trail} --key $keys 2>&1};
        return ($? >> 8, $text);
    };
    $_->sandbox->behave({ %$ok }) for $one, $other;

    is call($_)->{status}, 200, 'keys of their own: a call' for $one, $other;
    is((Proctor::Test::Trail::whole($one))[0], 0, '... the first one seals');
    $one->stop;
    my $before = -s "$one->{trail}.checkpoints";
    is call($other)->{status}, 200, '... then the other';
    wait_until('a checkpoint of its own',
        sub { -s "$one->{trail}.checkpoints" > $before });

    my ($status, $text) = $verify->("$one->{home}/both.vkey");
    is $status, 0, '... with both keys it is whole' or diag $text;
    ($status, $text) = $verify->("$one->{home}/audit.vkey");
    is $status, 1, '... with one it is not';
    like $text, qr/checkpoint \d+ is not signed by a key that was given/,
        '... and says why';
    $other->stop;
}

done_testing;
