#!/usr/bin/perl

# An independent validator and the gateway read the same contracts and judge
# the same bodies, most of them slightly wrong: what one refuses the other
# refuses too, and nothing else.  PROCTOR_SEED and PROCTOR_CASES (for each
# operation) ask for others, or for more.

use strict;
use warnings;

use FindBin;
use JSON::PP;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::Node;
use Test::More;

my $seed  = $ENV{PROCTOR_SEED} // 1;
my $cases = $ENV{PROCTOR_CASES} // 40;
my $conf  = Proctor::Test::root() . '/conf/contracts';

my $run = Proctor::Test::Node->new->run('verdicts.mjs', args => [
    $seed, $cases, "$conf/respan.json", "$conf/prefactor.json",
]);
is $run->{status}, 0, "bodies were made with seed $seed"
    or BAIL_OUT($run->{err});

my $t    = Proctor::Test->new;
my $utf8 = JSON::PP->new->utf8;
my %seen;

for my $line (split /\n/, $run->{out}) {
    my $case = $utf8->decode($line);
    my $seen = $seen{ $case->{operation} } //= { differ => [] };
    my $body = $case->{body};
    utf8::encode($body);

    my $r = $t->request($case->{method}, $case->{path}, key => 'admin',
        body => $body);
    my $arrived = $r ? scalar(my @got = $t->upstream($r)) : -1;
    my $refused = $r && $r->{status} == 400 && $arrived == 0;

    $seen->{ $case->{valid} ? 'valid' : 'invalid' }++;
    next if $case->{valid} ? $arrived == 1 : $refused;
    push @{ $seen->{differ} }, ($case->{valid} ? 'valid: ' : 'invalid: ')
        . $body . ($r ? " => $r->{line} $r->{body}" : ' => no answer');
}

for my $operation (sort keys %seen) {
    my $seen = $seen{$operation};

    ok $seen->{valid} && $seen->{invalid}, "$operation: both kinds were sent";
    is scalar(@{ $seen->{differ} }), 0, "$operation: the same verdicts"
        or diag join "\n", grep { defined } @{ $seen->{differ} }[0 .. 4];
}
is scalar(keys %seen), 17, 'all operations with a body were tried';

$t->done;
