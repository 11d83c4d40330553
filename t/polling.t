use strict;
use warnings;

# What Proctor is for: 50 clients of 5 teams poll one experiment, in front of
# an API that allows their organisation 60 calls a minute.  Nobody sees the
# API's 429, nobody is starved, and no answer is older than the contract's ttl.
#
#   PROCTOR_LONG=1   two minutes instead of fifteen seconds

use Digest::SHA qw(sha256_hex);
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use List::Util qw(max min sum);
use Proctor::Test;
use Proctor::Test::Crowd;
use Proctor::Test::Redis;
use Proctor::Test::Status qw(becomes);
use Test::More;
use Time::HiRes qw(time);
use Time::Local qw(timegm);

my $seconds = $ENV{PROCTOR_LONG} ? 120 : 15;
my $step = $seconds * 1.2; # so long it runs: progress tells the time
my $ttl = 2;
my @teams = map { "poll$_" } 1 .. 5;
my @clients = map { { team => $teams[$_ % 5], answers => 0, at => 0 } } 1 .. 50;
my $redis;

my $t = Proctor::Test->new(
    workers => 2,
    sandbox => ['--limit', '60/minute', '--step', $step],
    teams   => sub {
        my ($data, $teams) = @_;
        $data->{accounts}{acme}{limits} = [{ limit => 58, per => '1m' }];
        $data->{teams}{$_} = {
            accounts => { respan => 'acme' },
            keys     => [$teams->key($_)],
            quotas   => [{ name => 'calls', limit => 6000, per => '1m' }],
        } for @teams;
    },
    prepare => sub {
        $redis = Proctor::Test::Redis->new(dir => "$_[0]{dir}/redis");
    },
    http => sub {
        'proctor_zone main:1m; proctor_redis unix:' . $redis->socket
            . " timeout=1s;\n";
    },
    locations => Proctor::Test::Status::location(),
);
becomes($t, 'ready');

my $made = $t->request(POST => '/api/v2/experiments/', key => $teams[0],
    json => {
        dataset_id    => 'ds_polled',
        workflow      => [{ type => 'completion', config => {} }],
        evaluator_ids => ['eval_quality'],
    });
my $target = "/api/v2/experiments/$made->{json}{id}/";
my $running_since = epoch($made->{json}{created_at});
$t->sandbox->control(POST => 'advance', { seconds => $step });

my (%status, @old);
my $crowd = Proctor::Test::Crowd->new;
my $end = time + $seconds;

while ($crowd->flying || time < $end) {
    poll($_) for grep { time < $end && $_->{at} <= time } @clients;
    $crowd->turn(0.02);
}

is_deeply [keys %status], [200], 'every poll is answered with 200'
    or diag(explain(\%status));
is scalar(@old), 0, "no answer is older than $ttl s" or diag(@old[0 .. 4]);

my @answers = map { $_->{answers} } @clients;
cmp_ok min(@answers), '>', sum(@answers) / @answers / 2,
    'each client has its share of the ' . sum(@answers) . ' answers';

my @asked = map { $_->{at} }
    grep { $_->{method} eq 'GET' && $_->{target} eq $target } $t->sandbox->log;
cmp_ok scalar(@asked), '<=', $seconds / $ttl + 2,
    'the API was asked ' . @asked . ' times';
cmp_ok scalar(@asked), '>=', 2, 'more than once';
is $t->sandbox->stats->{statuses}{429} // 0, 0,
    'and never said 429';

$t->done;


sub poll {
    my ($client) = @_;

    $client->{at} = $end; # not again before it has an answer
    my $sent = time;

    $crowd->ask($t->port,
        $t->bytes(GET => $target, key => $client->{team},
            headers => [Connection => 'close']),
        sub {
            my ($answer) = @_;
            $status{ $answer ? $answer->{status} : 'none' }++;
            $client->{at} = time + 0.5;
            return unless $answer && $answer->{status} == 200;
            $client->{answers}++;
            look($answer, $sent);
        });
}


# The progress says when the API gave the answer, if at the latest.
sub look {
    my ($answer, $sent) = @_;

    my $progress = decode_json($answer->{body})->{progress};
    my $given = $running_since + ($progress + 1) * $step / 100;
    push @old, sprintf "%d %%: %.2f s old\n", $progress, $sent - $given
        if $sent - $given > $ttl;

    my ($age) = $answer->{head} =~ /^Age: (\d+)/mi;
    push @old, "Age: $age\n" if defined $age && $age > $ttl;
}


sub epoch {
    my ($text) = @_;

    my ($y, $mon, $d, $h, $m, $s) = $text =~ /(\d+)-(\d+)-(\d+)T(\d+):(\d+):([\d.]+)Z/
        or die "no time: $text\n";
    return timegm(0, $m, $h, $d, $mon - 1, $y) + $s;
}
