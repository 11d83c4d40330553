use strict;
use warnings;

# A call that is more than a read is forwarded each time: exporting traces
# sends somebody an e-mail, however often it is asked for.

use FindBin;
use lib "$FindBin::Bin/lib";
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

$t->done;


sub states {
    my ($target) = @_;

    return join ' ', map {
        my $answer = $t->request(GET => $target, key => 'admin');
        my $said = $answer->{headers}{'cache-status'};
        $answer->{status} != 200 ? $answer->{status}
            : $said =~ /; hit/ ? 'hit'
            : $said =~ /fwd=bypass/ ? 'bypass'
            : 'miss';
    } 1 .. 2;
}
