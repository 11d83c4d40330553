use strict;
use warnings;

# A copy of each record in the team's Redis stream; whatever becomes of Redis,
# no request and no file knows of it.

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Proctor::Test;
use Proctor::Test::Redis;
use Proctor::Test::Trail;
use Proctor::Test::Wait qw(wait_until);
use Test::More;

my $base = '/api/v2/experiments';
my $redis;
my $t = Proctor::Test::Trail::fixture(
    trail   => 'stream=on',
    prepare => sub {
        $redis = Proctor::Test::Redis->new(dir => "$_[0]{dir}/redis");
    },
    http => sub { 'proctor_redis unix:' . $redis->socket . ";\n" },
);
$t->sandbox->behave({ status => 200, json => { id => 'e' }, times => 0 });


# The records of a request in a team's stream, as they were written.
sub copies {
    my ($team, $r) = @_;

    my $entries = $redis->command('XRANGE', "proctor:{$team}:audit", '-', '+');
    return grep { /"\Q$r->{rid}\E"/ } map { $_->[1][1] } @$entries;
}


# the first call of a worker finds no connection yet
wait_until('the stream', sub {
    my $r = $t->request(GET => "$base/e/", key => 'admin');
    return eval { wait_until('a copy', sub { copies('alpha', $r) }, 0.2) };
});

for my $case (['alpha', 'admin', 'DELETE', 'intent outcome'],
    ['alpha', 'viewer', 'DELETE', 'denied'],
    ['beta', 'beta', 'GET', 'call']) {
    my ($team, $key, $method, $kinds) = @$case;
    my $r = $t->request($method => "$base/e/", key => $key);
    my $n = split ' ', $kinds;
    wait_until('the copies', sub { copies($team, $r) == $n });
    my @copies = copies($team, $r);
    is join(' ', map { decode_json($_)->{kind} } @copies), $kinds,
        "$kinds: in the stream of $team";
    $t->audit($r);
    my %lines = map { chomp; $_ => 1 } $t->audit_lines;
    is scalar(grep { !$lines{$_} } @copies), 0, '... byte for byte';
}

$redis->kill;
my $r = $t->request(DELETE => "$base/e/", key => 'admin');
is $r->{status}, 200, 'without Redis all goes on';
is $t->audit($r)->{result}, 'ok', '... and is written down';

$t->done;
