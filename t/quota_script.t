use strict;
use warnings;

# The scripts that Redis counts by, on a clock of the test's own: the limit
# holds in every window, months and days end when they end, and a team that
# asks a little gets what it asks for.

use File::Temp ();
use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test::Redis;
use Proctor::Test::Wait qw(slurp);
use Test::More;
use Time::Local qw(timegm);

my $dir = File::Temp->newdir('proctor-XXXXXXXX', TMPDIR => 1);
my $redis = Proctor::Test::Redis->new(dir => "$dir/redis");


# The text of a C string that is made of many; the clock becomes an argument.
sub text {
    my ($source, $from) = @_;

    my ($part) = $source =~ /\Q$from\E(.*?)(?:\n\n\n|;\n|\z)/s
        or die "no $from\n";
    my $lua = join '', $part =~ /"((?:[^"\\]|\\.)*)"/g;
    $lua =~ s/\\n/\n/g;
    return $lua;
}

my $source = slurp("$FindBin::Bin/../src/ngx_http_proctor_quota_script.c");
my $prelude = text($source, '#define NGX_HTTP_PROCTOR_QUOTA_PRELUDE');
$prelude =~ s/redis\.call\('TIME'\)/{ table.remove(ARGV) \/ 1000, 0 }/
    or die "the clock is not where it was\n";
my %script = map {
    ($_ => $redis->command('SCRIPT', 'LOAD', $prelude
        . text($source, "ngx_http_proctor_quota_script_$_ =")))
} qw(take settle budget);


sub run {
    my ($name, $now, $keys, @args) = @_;

    return $redis->command('EVALSHA', $script{$name}, scalar(@$keys), @$keys,
        @args, $now);
}


sub take {
    my ($now, $limit, $per, $held) = @_;

    return run('take', $now, ['{t}:w', $held ? '{t}:h' : ()], 600, $limit,
        $per, $held ? 1 : 0);
}


# sliding
for my $case ([7, 1, 90], [60, 60, 900], [5, 3600, 400_000]) {
    my ($limit, $per, $step) = @$case;

    $redis->command('FLUSHALL');
    srand 1;
    my ($now, $most, $wrong, @at) = (1_700_000_000_000, 0, 0);
    for (1 .. 1500) {
        $now += int rand $step;
        my ($wait, $left) = @{ take($now, $limit, $per) };
        if ($wait) {
            $wrong++ if take($now + $wait - 1, $limit, $per)->[0] == 0;
            $now += $wait;
            ($wait, $left) = @{ take($now, $limit, $per) };
            $wrong++ if $wait;
        }
        push @at, $now;
        shift @at while $at[0] <= $now - $per * 1000;
        $most = @at if @at > $most;
        $wrong++ if $left > $limit - @at;
    }
    is $most, $limit, "$limit in ${per}s: the fullest window is full, not more";
    is $wrong, 0, '... who waits as long as told gets through, not before';
}


# calendar
for my $case (
    ['day',   [2026, 11, 22, 3],  [2026, 11, 23]],
    ['day',   [2026, 12, 31, 23], [2027, 1,  1]],
    ['month', [2026, 11, 22, 3],  [2026, 12, 1]],
    ['month', [2026, 12, 31, 23], [2027, 1,  1]],
    ['month', [2027, 1,  1,  0],  [2027, 2,  1]],
    ['month', [2028, 2,  28, 12], [2028, 3,  1]],
    ['month', [2028, 2,  29, 12], [2028, 3,  1]],
    ['month', [2027, 2,  28, 23], [2027, 3,  1]],
) {
    my ($per, $from, $to) = @$case;
    my ($now, $end) = map {
        timegm(0, 0, $_->[3] // 0, $_->[2], $_->[1] - 1, $_->[0]) * 1000
    } $from, $to;

    $redis->command('FLUSHALL');
    is join(' ', map { take($now, 2, $per)->[0] } 1 .. 3), '0 0 ' . ($end - $now),
        "$per from @$from ends @$to";
    is take($end - 1, 2, $per)->[0], 1, '... not before';
    is join(' ', map { take($end, 2, $per)->[0] } 1 .. 2), '0 0', '... then anew';
}


# reservations
{
    my $now = 1_700_000_000_000;
    $redis->command('FLUSHALL');
    my $slice = take($now, 2, 'day', 1)->[3];
    is take($now, 2, 'day', 1)->[1], 0, 'two are reserved';
    is take($now, 2, 'day', 1)->[0], 1000, '... a third waits for them';
    run('settle', $now + 1, ['{t}:w', '{t}:h'], 600, 0, 'day', $slice);
    run('settle', $now + 1, ['{t}:w', '{t}:h'], 600, 1, 'day', $slice);
    run('settle', $now + 1, ['{t}:w', '{t}:h'], 600, 0, 'day', $slice);
    my ($wait, $left) = @{ take($now + 1, 2, 'day', 1) };
    is "$wait $left", '0 0', 'one was given back, once, and one was taken';
    is take($now + 590_000, 2, 'day', 1)->[0], 1000, 'a reservation holds';
    is take($now + 700_000, 2, 'day', 1)->[0], 0, '... and expires';
}


# an account's limit between teams
{
    my %every = (greedy => 200, modest => 20_000, other => 300);
    my (%got, @at);
    my ($now, $most) = (1_700_000_000_000, 0);

    $redis->command('FLUSHALL');
    for (my $t = 0; $t < 300_000; $t += 100, $now += 100) {
        for my $team (sort keys %every) {
            next if $t % $every{$team};
            my ($shut, $wait) = @{ run('budget', $now,
                ['{a}:v', '{a}:w', '{a}:s'], $team, 60, 60) };
            next if $wait;
            $got{$team}++;
            push @at, $now;
            shift @at while $at[0] <= $now - 60_000;
            $most = @at if @at > $most;
        }
    }
    is $most, 60, 'an account: its limit is reached, and held in every window';
    cmp_ok $got{modest}, '>=', 9, "who asks little gets most of it: $got{modest} of 15";
    cmp_ok abs($got{greedy} - $got{other}), '<', 40,
        "the others share the rest: $got{greedy}, $got{other}";

    $redis->command('PSETEX', '{a}:v', 5000, 1);
    my ($shut, $wait) = @{ run('budget', $now, ['{a}:v', '{a}:w', '{a}:s'],
        'modest', 60, 60) };
    is $shut, 1, 'the valve is shut';
    cmp_ok $wait, '>', 4000, '... for as long as it says';
}

done_testing;
