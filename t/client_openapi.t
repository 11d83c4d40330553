#!/usr/bin/perl

# A generic OpenAPI client loads the Respan contract and calls all of its
# operations through the gateway; the audit trail names each of them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::Node;
use Test::More;

my $node = Proctor::Test::Node->new;
my $t    = Proctor::Test->new(sandbox => ['--step', '0.2']);

my @told = $node->client($t, 'openapi_client.mjs',
    args => [Proctor::Test::root() . '/conf/contracts/respan.json']);

my %audited;

for my $call (grep { $_->{audit} } @told) {
    my $record = $call->{audit};
    is $record->{operation}, $call->{operation}, "audited: $call->{operation}";
    is $record->{status}, $call->{status}, "audited with its $call->{status}";
    $audited{ $record->{operation} } = 1 if $record->{decision} eq 'allowed';
}

is scalar(keys %audited), 18, 'each of the 18 operations was allowed';

$t->done;
