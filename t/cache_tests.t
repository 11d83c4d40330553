#!/usr/bin/perl

# The public suite for HTTP caches, with the gateway between its client and its
# origin server.  t/clients/cache_tests.mjs says what does not apply, and of
# what the gateway does not do, why; whatever else fails is a fault.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Proctor::Test;
use Proctor::Test::Node;
use Proctor::Test::Redis;
use Proctor::Test::Status qw(becomes);
use Proctor::Test::Wait qw(free_ports);
use Test::More;

# Groups of which no required test may fail, whatever the reason.
my @strict = qw(auth vary vary-parse invalidation cc-response);

my $node = Proctor::Test::Node->new;
my ($port) = free_ports(1);
my $redis;

my %lent = map { $_ => 'ct_' . Proctor::Test::Teams::random() }
    qw(nobody somebody);

my $t = Proctor::Test->new(
    prepare => sub {
        $redis = Proctor::Test::Redis->new(dir => "$_[0]{dir}/redis");
    },
    teams => sub {
        my ($data, $teams) = @_;

        for my $name (keys %lent) {
            $teams->{upstream}{$name} = $lent{$name};
            $data->{accounts}{$name} = {
                contract => 'suite',
                keys     => [{ env => 'PROCTOR_TEST_' . uc $name }],
            };
            $data->{teams}{$name} = {
                accounts => { suite => $name },
                keys     => [$teams->key($name, rights => ['test'])],
            };
        }
    },
    env => { map { ('PROCTOR_TEST_' . uc, $lent{$_}) } keys %lent },
    http => sub {
        'proctor_contract suite '
            . Proctor::Test::root() . "/t/clients/cache_tests.json;\n"
            . "proctor_zone main:1m;\n"
            . 'proctor_redis unix:' . $redis->socket . " timeout=2s;\n"
            . "upstream origin { server 127.0.0.1:$port max_fails=0; }\n";
    },
    locations => sub {
        join '', Proctor::Test::Status::location(), map { <<"EOT" }
        location /$_/ {
            proctor suite;
            if_modified_since before;
            proxy_pass http://origin;
        }
EOT
            qw(config state test);
    },
);
becomes($t, 'ready');

my $run = $node->run('cache_tests.mjs', args => [@ARGV], env => {
    PROCTOR_URL   => 'http://127.0.0.1:' . $t->port,
    ORIGIN_PORT   => $port,
    NOBODY_KEY    => $t->teams->token('nobody'),
    SOMEBODY_KEY  => $t->teams->token('somebody'),
    SOMEBODY_LENT => $lent{somebody},
});
is $run->{status}, 0, 'the suite ran' or diag $run->{err};

my @tests = map { decode_json($_) } split /\n/, $run->{out};
cmp_ok scalar @tests, '>', 300, 'all of it';
table(@tests);

my @required = grep { $_->{kind} eq 'required'
        && $_->{result} !~ /^(left|depends)$/ } @tests;
my @passed = grep { $_->{result} eq 'pass' } @required;

cmp_ok scalar @passed, '>=', 0.93 * @required,
    sprintf '%d of %d required tests pass', scalar @passed, scalar @required;

for my $test (@required) {
    my $known = $test->{reason} =~ /^required: /;

    ok !$known, "$test->{id} is no longer to be excused"
        if $test->{result} eq 'pass' && $known;
    ok $known, "$test->{id}: $test->{why}: $test->{reason}"
        if $test->{result} ne 'pass';
}

for my $suite (@strict) {
    my @failed = grep { $_->{suite} eq $suite && $_->{result} eq 'fail' } @tests;
    is_deeply [map { "$_->{id}: $_->{why}" } @failed], [],
        "nothing of $suite fails";
}

$t->done;
undef $redis;


# What came out: a line for each group, and for each test that did not pass.
sub table {
    my @tests = @_;
    my (%count, @order);

    for my $test (@tests) {
        push @order, $test->{suite} unless $count{ $test->{suite} };
        $count{ $test->{suite} }{ "$test->{kind} $test->{result}" }++;
    }
    for my $suite (@order) {
        diag sprintf '%-15s %s', $suite, join ', ',
            map { "$_: $count{$suite}{$_}" } sort keys %{ $count{$suite} };
    }
    for my $test (grep { $_->{result} !~ /^(pass|yes)$/ } @tests) {
        my $line = sprintf '%-8s %-8s %s: %s', @$test{qw(kind result id)},
            $test->{reason} || $test->{why};
        $test->{kind} eq 'required' ? diag $line : note $line;
    }
}
