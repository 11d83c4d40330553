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


# The text of a C string that is made of many, and of macros.
my %macro;
sub text {
    my ($part) = @_;

    return join '', map {
        my $text = /\A"/ ? substr($_, 1, -1) : $macro{$_} // '';
        $text =~ s/\\(.)/$1 eq 'n' ? "\n" : $1/ger;
    } $part =~ /("(?:[^"\\]|\\.)*"|\bNGX_\w+)/g;
}

my $source = join "\n\n\n", map {
    slurp("$FindBin::Bin/../src/ngx_http_proctor_quota_script$_")
} '.h', '.c', '_budget.c';

while ($source =~ /^#define (NGX_\w+) +\\\n((?:.*\\\n)*.*\n)/mg) {
    $macro{$1} = text($2) =~ s/\\/\\\\/gr;
}

# the clock becomes an argument
my %script;
while ($source =~ /ngx_http_proctor_quota_script_(\w+) =(.*?);\n(?:\n|\z)/sg) {
    my ($name, $text) = ($1, text($2));
    $text =~ s/redis\.call\('TIME'\)/{ table.remove(ARGV) \/ 1000, 0 }/
        or $name eq 'valve' or die "the clock is not where it was\n";
    $script{$name} = $redis->command('SCRIPT', 'LOAD', $text);
}


sub run {
    my ($name, $now, $keys, @args) = @_;

    return $redis->command('EVALSHA', $script{$name}, scalar(@$keys), @$keys,
        @args, $now);
}


sub take {
    my ($now, $limit, $per, $id, $added) = @_;

    return run('take', $now, ['{t}:w', '{t}:s', $id ? '{t}:h' : ()], $id // '',
        $limit, $per, $id ? 'held' : $added // 0);
}


# As a gateway does: who knows the oldest value adds one, as long as the slice
# lasts.  What it adds late, or in vain, is taken back.
sub add {
    my ($lease, $now, $limit, $per) = @_;

    my $added;
    if ($lease->{till} && rand() < 0.8) {
        $added = $redis->command('INCR', '{t}:w');
        my $left = $lease->{base} + $limit - $added;
        return [0, $left]
            if $now < $lease->{till} && $left >= 0 && $left < $limit;
    }
    my $reply = take($now, $limit, $per, undef, $added);
    $lease->{base} = $reply->[3];
    $lease->{till} = $reply->[0] ? 0 : $now + $reply->[4];
    return $reply;
}


# sliding
for my $case (
    [7, 1, 90], [60, 60, 900], [5, 3600, 400_000], [500, 60, 20],
) {
    my ($limit, $per, $step) = @$case;
    my @leases = map { {} } 1 .. 3;

    $redis->command('FLUSHALL');
    srand 1;
    my ($now, $most, $wrong, @at) = (1_700_000_000_000, 0, 0);
    for (1 .. 1500) {
        $now += int rand $step;
        my ($lease) = $leases[rand @leases];
        my ($wait, $left) = @{ add($lease, $now, $limit, $per) };
        if ($wait) {
            $wrong++ if add($lease, $now + $wait - 1, $limit, $per)->[0] == 0;
            $now += $wait;
            ($wait, $left) = @{ add($lease, $now, $limit, $per) };
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
    my @keys = ('{t}:w', '{t}:s', '{t}:h');
    $redis->command('FLUSHALL');
    take($now, 2, 'day', 'a');
    is take($now, 2, 'day', 'b')->[1], 0, 'two are reserved';
    is take($now, 2, 'day', 'c')->[0], 1000, '... a third waits for them';
    run('settle', $now + 1, \@keys, 'a', 0, 'day', 'held') for 1 .. 3;
    my ($wait, $left) = @{ take($now + 1, 2, 'day', 'd') };
    is "$wait $left", '0 0', 'one was given back, once';
    run('settle', $now + 2, \@keys, 'b', 1, 'day', 'held') for 1 .. 3;
    run('settle', $now + 2, \@keys, 'd', 0, 'day', 'held');
    ($wait, $left) = @{ take($now + 3, 2, 'day', 'e') };
    is "$wait $left", '0 0', '... and one was taken, once';
    is take($now + 590_000, 2, 'day', 'f')->[0], 1000, 'a reservation holds';
    is take($now + 700_000, 2, 'day', 'f')->[0], 0, '... and expires';
}


# several at once: all or none, and what was added in vain is taken back
{
    my $now = 1_700_000_000_000;
    my @keys = map { ("{t}:$_", "{t}:$_:s") } qw(wide narrow);
    my $both = sub {
        return run('take', $now, \@keys, '', 5, 60, $_[0] // 0, 2, 'day',
            $_[1] // 0);
    };

    $redis->command('FLUSHALL');
    $both->();
    my @reply = @{ $both->() };
    is "@reply[0, 1, 5]", '0 3 0', 'two of each are taken';
    cmp_ok $both->()->[0], '>', 0, '... the narrower one has no more';
    is $both->()->[1], 3, '... the other loses nothing';
    my @added = map { $redis->command('INCR', $_) } @keys[0, 2];
    is join(' ', @{ $both->(@added) }[1, 5]), '3 0',
        'what was added is taken back';
    run('settle', $now, [@keys[0, 1]], '', 0, 60, $reply[3] + 1);
    is $both->()->[1], 4, 'one is given back';
}


# Many that add at once in vain: each takes its own back, though others have
# made the counter smaller than the value that it saw.
for my $order ('first to last', 'last to first') {
    my $now = 1_700_000_000_000;
    $redis->command('FLUSHALL');
    take($now, 10, 60) for 1 .. 5;
    take($now + 30_000, 10, 60) for 1 .. 3;

    my @added = map { $redis->command('INCR', '{t}:w') } 1 .. 20;
    splice @added, 0, 2;
    @added = reverse @added if $order =~ /^last/;
    take($now + 30_100, 10, 60, undef, $_) for @added;
    is take($now + 61_300, 10, 60)->[1], 4,
        "eighteen of twenty were added in vain: nothing of them stays, $order";
}

# one that was lost, made when Redis's clock was another
{
    my $now = 1_700_000_000_000;
    my ($other, $small) = ($now * 1000 + 3_600_000_000, 7);
    $redis->command('FLUSHALL');
    take($now, 10, 60) for 1 .. 3;
    is join(' ', map { take($now, 10, 60, undef, $_)->[1] } $other, $small),
        '6 5', 'what was added to another counter is not taken from this one';
}


# what is not ours under our keys
for my $odd (
    ['SET', 'abc'], ['SET', '7'], ['SET', '9' x 30], ['SET', 'x' x 448],
    ['SET', "\0" x 48], ['SET', "\xff" x 64], ['SET', ''], ['HSET', 'a', 1],
    ['RPUSH', 1], ['SADD', 1],
) {
    my ($command, @value) = @$odd;
    my $now = 1_700_000_000_000;
    my @wrong;
    for my $at (0 .. 5) {
        my @keys = ('{t}:w', '{t}:s', '{t}:h', '{t}:b', '{t}:l');
        $redis->command('FLUSHALL');
        take($now, 5, 60);
        take($now, 5, 60, 'a');
        run('budget', $now, ['{t}:v', @keys[3, 4]], 'team-one', 9, 60);
        run('budget', $now + 1200, ['{t}:v', @keys[3, 4]], 'team-one', 9, 60);
        $redis->command('DEL', $at < 5 ? $keys[$at] : @keys);
        $redis->command($command, $_, @value)
            for $at < 5 ? $keys[$at] : @keys;
        for my $later ($now + 1200, $now + 2400, $now + 200_000) {
            my @got = map { eval { $_->()->[0] } // $@ }
                sub { take($later, 50, 60) },
                sub { take($later, 50, 60, 'b') },
                sub {
                    run('budget', $later, ['{t}:v', @keys[3, 4]], 'team-one',
                        9, 60);
                };
            push @wrong, "$at: @got" if "@got" ne '0 0 0';
        }
        push @wrong, map { "$_ stays" } grep {
            $redis->command('PTTL', $_) < 0
        } @{ $redis->command('KEYS', '*') };
    }
    is join(', ', @wrong), '',
        "$command " . substr($value[0], 0, 3) . ': replaced, and goes';
}


# an account's limit between teams
{
    my %every = ('greedy..' => 200, 'modest..' => 20_000, 'other...' => 300);
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
    cmp_ok $got{'modest..'}, '>=', 9, "who asks little gets most of it: $got{'modest..'} of 15";
    cmp_ok abs($got{'greedy..'} - $got{'other...'}), '<', 40,
        "the others share the rest: $got{'greedy..'}, $got{'other...'}";

    $redis->command('PSETEX', '{a}:v', 5000, 1);
    my ($shut, $wait) = @{ run('budget', $now, ['{a}:v', '{a}:w', '{a}:s'],
        'modest..', 60, 60) };
    is $shut, 1, 'the valve is shut';
    cmp_ok $wait, '>', 4000, '... for as long as it says';
}

done_testing;
