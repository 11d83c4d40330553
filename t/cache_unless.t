use strict;
use warnings;

# A call that is more than a read is forwarded each time: exporting traces
# sends somebody an e-mail, however often it is asked for.  A parameter says so,
# or a member of the body.

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use Proctor::Test;
use Proctor::Test::Redis;
use Proctor::Test::Status qw(becomes);
use Test::More;

my $redis;
my $t = Proctor::Test->new(
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

my $list = '/api/v2/experiments/exp_completed/logs/list/';

is states("$list?page=1"), 'miss hit', 'the list is kept';
for my $export ("$list?export=1", "$list?page=1&export=true") {
    is states($export), 'bypass bypass', "$export is not";
}

# a body says so, too: by anything but false and null
my %filter = (filters => {});

for my $path ('/api/v2/experiments/list/', '/api/v2/experiments/summary/', $list,
    '/api/v2/experiments/exp_completed/logs/summary/',
    '/api/v2/experiments/exp_completed/histogram/?evaluator_id=e')
{
    is states($path, { is_exporting => JSON::PP::true, %filter }),
        'bypass bypass', "$path: an export is not kept";
    is states($path, { is_exporting => JSON::PP::false, %filter }),
        'miss hit', '... what is none is';
}
is states($list, { is_exporting => undef, %filter }), 'miss hit',
    'null says nothing';
is states($list, { %filter }), 'miss hit', '... as does silence';

$t->done;


sub states {
    my ($target, $body) = @_;

    return join ' ', map {
        my $answer = $t->request($body ? 'POST' : 'GET', $target,
            key => 'admin', $body ? (json => $body) : ());
        my $said = $answer->{headers}{'cache-status'};
        $answer->{status} != 200 ? $answer->{status}
            : $said =~ /; hit/ ? 'hit'
            : $said =~ /fwd=bypass/ ? 'bypass'
            : 'miss';
    } 1 .. 2;
}
