#!/usr/bin/perl

# Prefactor's own client, unchanged, does its whole work through the gateway.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::Node;
use Test::More;

my %operations = (
    'POST /api/v1/agent_instance/register'    => 'instance.register',
    'POST /api/v1/agent_instance/{id}/start'  => 'instance.start',
    'POST /api/v1/agent_instance/{id}/finish' => 'instance.finish',
    'POST /api/v1/agent_spans'                => 'span.create',
    'POST /api/v1/agent_spans/{id}/finish'    => 'span.finish',
);

my $node = Proctor::Test::Node->new;
my $t    = Proctor::Test->new;

my @told = $node->client($t, 'prefactor_core.mjs');
my %audited;

for my $call (grep { $_->{audit} } @told) {
    my $record = $call->{audit};
    is $record->{status}, $call->{status}, "audited with its $call->{status}";
    next if $record->{decision} ne 'allowed';
    is $record->{operation}, $operations{ $call->{call} },
        "audited: $record->{operation}";
    $audited{ $record->{operation} } = 1;
}

is_deeply [sort keys %audited], [sort values %operations],
    'each operation that the client knows was allowed';

$t->done;
