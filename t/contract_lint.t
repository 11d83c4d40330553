#!/usr/bin/perl

# A public OpenAPI linter finds no error in either contract, and does find
# those that this test puts into copies of them.

use strict;
use warnings;

use File::Temp ();
use FindBin;
use JSON::PP;
use lib "$FindBin::Bin/lib";
use Proctor::Test::Node;
use Test::More;

my $node = Proctor::Test::Node->new;
my $temp = File::Temp->newdir;
my $json = JSON::PP->new->utf8->canonical;
my %env  = (REDOCLY_TELEMETRY => 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE => 1);

# What each contract is spoiled with, and the rule that has to notice.
my @faults = (
    ['struct', sub { $_[0]{components}{schemas}{Id}{minLength} = 'one' }],
    ['no-unresolved-refs', sub { delete $_[0]{components}{schemas}{Id} }],
    ['path-parameters-defined', sub {
        $_[0]{paths}{'/other/{id}/'} = { get => { responses => {} } };
    }],
    ['operation-operationId-unique', sub {
        my ($first, $second) = grep { ref eq 'HASH' && $_->{operationId} }
            map { values %$_ } values %{ $_[0]{paths} };
        $first->{operationId} = $second->{operationId};
    }],
);

for my $name (qw(respan prefactor)) {
    my $file = "$FindBin::Bin/../conf/contracts/$name.json";

    my ($status, @errors) = lint($file);
    is $status, 0, "$name: the linter is content";
    is "@errors", '', "$name: not one error";

    for my $fault (@faults) {
        my ($rule, $spoil) = @$fault;
        my $data = $json->decode(Proctor::Test::Node::slurp($file));
        $spoil->($data);
        open my $fh, '>:raw', "$temp/$name.json" or die $!;
        print {$fh} $json->encode($data);
        close $fh or die $!;

        ($status, @errors) = lint("$temp/$name.json");
        isnt $status, 0, "$name, spoiled: the linter complains";
        ok scalar(grep({ $_ eq $rule } @errors)), "$name, spoiled: $rule";
    }
}

done_testing();


# The linter's exit status and the rules with errors.
sub lint {
    my ($file) = @_;

    my $run = $node->tool('redocly', env => \%env, args => [
        'lint', '--config', 'redocly.yaml', '--format', 'json',
        '--max-problems', 1000, $file,
    ]);
    my ($report) = $run->{out} =~ /(\{.*\})/s;
    my $told = eval { $json->decode($report // '') }
        or BAIL_OUT("no report from the linter: $run->{out}$run->{err}");

    return $run->{status},
        map { $_->{ruleId} } grep { $_->{severity} eq 'error' }
        @{ $told->{problems} };
}
