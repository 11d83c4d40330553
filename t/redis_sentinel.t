use strict;
use warnings;

# Failovers by Sentinel: three servers, three sentinels, and a gateway that
# knows the servers alone.  The master is killed, is stopped and wakes up when
# another has taken its place, or gives it up as planned: each meets a gateway
# that is asked one thing after the other, then one of which 32 connections read
# and write at once.  A read is always answered, with nothing that is old or
# foreign; a write is done or refused with 503 and a Retry-After; nothing hangs;
# and as soon as a server is the master the gateway is there, and has answers
# from its cache.
#
#   PROCTOR_LONG=1   five rounds, of all in both ways

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use List::Util qw(max);
use Proctor::Test;
use Proctor::Test::Crowd;
use Proctor::Test::Replicas;
use Proctor::Test::Status qw(becomes redis);
use Proctor::Test::Versions;
use Proctor::Test::Wait qw(wait_until);
use Test::More;
use Time::HiRes qw(time);

my $slow = $ENV{ASAN_OPTIONS} ? 4 : 1;
my %load = (idle => 1, 'under load' => 32); # calls at once

my $set;
my $upstream = Proctor::Test::Versions->new(delay => 0.005);
my $t = fixture();
my $crowd = Proctor::Test::Crowd->new;
my ($worker) = $t->nginx->workers;
my (%floor, %seen, @wrong);
my ($hits, $slowest, $write) = (0, 0, 0); # the next one's time

my @faults = (
    ['killed', sub { $_[0]->kill }, sub { $_[0]->start }],
    ['stopped', sub { $_[0]->freeze }, sub { $_[0]->thaw }],
    ['replaced as planned', sub {
        $set->{sentinels}[0]->command('SENTINEL', 'FAILOVER', 'proctor')
    }, sub { }],
);

$set->watch;
ask_until('under load', 'hits', sub { $hits > 10 });
my $descriptors = descriptors();

for (1 .. ($ENV{PROCTOR_LONG} ? 5 : 1)) {
    for my $how (sort keys %load) {
        befalls($how, @$_) for $how eq 'idle' && !$ENV{PROCTOR_LONG}
            ? @faults[0, 1] : @faults;
    }
}

is join(' ', $t->nginx->workers), $worker, 'it is the same worker all the time';
cmp_ok wait_until('descriptors to be closed',
    sub { descriptors() <= $descriptors && descriptors() }), '<=', $descriptors,
    'with no more descriptors than at first';

$t->done;


sub befalls {
    my ($how, $what, $begin, $end) = @_;

    my $old = $set->master;
    my $name = "the master is $what, $how";
    (%seen, @wrong) = ();
    $slowest = 0;

    $begin->($old);
    my $new;
    ask_until($how, 'another master', sub {
        ($new) = grep { $_ != $old && role($_) eq 'master' } $set->servers;
        return $new;
    });
    ask_until($how, 'the old one to follow', sub { role($old) eq 'slave' })
        if $what =~ /planned/;

    my $since = time;
    my $back = eval { ask_until($how, 'the gateway', sub { is_at($new) }); 1 };
    $since = time - $since;
    cmp_ok $since, '<', 1.5 * $slow, "$name: it is at the new one";
    diag redis($t)->{reason} unless $back;
    $hits = 0;
    ask_until($how, 'hits', sub { $hits });
    ask_until($how, 'the sentinels to agree',
        sub { ($set->master // 0) == $new });

    # an old master that wakes up is one until it is told, and is left alone
    $end->($old);
    my $left = 0;
    ask_until($how, 'the old master to follow', sub {
        $left++ if !is_at($new);
        return role($old) eq 'slave';
    });
    is $left, 0, '... and stays there' or diag explain redis($t);
    ask_until($how, 'the gateway', sub { is_at($new) });
    ask_until($how, 'nothing', sub { 0 }, 0.3);
    $crowd->turn(0.05) while $crowd->flying;
    $set->synced;

    my @bad = grep { !/\A(?:GET 200|PATCH 200|PATCH 503)\z/ } sort keys %seen;
    is join(' ', @bad), '', '... every call is answered as it should be';
    is_deeply \@wrong, [], '... nothing old and nothing foreign';
    cmp_ok $slowest, '<', 2 * $slow, '... nothing hangs';
}


sub role { return Proctor::Test::Replicas::role(@_) }


sub is_at {
    my ($server) = @_;

    my $said = redis($t);
    return $said->{state} eq 'ready'
        && $said->{address} eq "127.0.0.1:$server->{port}";
}


# Calls go on meanwhile.
sub ask_until {
    my ($how, $what, $check, $seconds) = @_;

    # sentinels on a slow machine do nothing for half a minute, by themselves
    my $end = time + ($seconds // 120);
    until ($check->()) {
        return if time > $end && defined $seconds;
        die "waited in vain for $what\n" if time > $end;
        ask() while $crowd->flying < $load{$how};
        $crowd->turn(0.02);
    }
}


sub fixture {
    return Proctor::Test->new(
        log_level => 'notice',
        teams     => sub {
            my ($data, $teams) = @_;
            $data->{teams}{alpha}{quotas}
                = [{ name => 'calls', limit => 10_000_000, per => '1m' }];
        },
        echoes  => 1,
        prepare => sub {
            $set = Proctor::Test::Replicas->new(dir => "$_[0]{dir}/redis");
        },
        http => sub {
            my @addresses = $set->addresses;
            "proctor_zone main:1m; proctor_redis @addresses timeout="
                . 50 * $slow . "ms connect_timeout=" . 50 * $slow . "ms;\n"
                . 'upstream versions { server 127.0.0.1:' . $upstream->port
                . " max_fails=0; }\n";
        },
        locations => Proctor::Test::Status::location() . <<'EOT',
        location ^~ /api/v2/experiments/exp_ {
            proctor respan;
            proxy_pass http://versions;
        }
EOT
    );
}


sub descriptors { return scalar(() = glob "/proc/$worker/fd/*") }


sub ask {
    my $method = time > $write && rand() < 0.1 ? 'PATCH' : 'GET';
    $write = time + 0.03 * $slow if $method eq 'PATCH';
    my $path = '/api/v2/experiments/exp_' . int(rand 3) . '/';
    my $floor = $floor{$path} // 0;

    $crowd->ask($t->port,
        $t->bytes($method => $path, key => 'admin',
            headers => [Connection => 'close'],
            $method eq 'PATCH' ? (json => { name => 'another' }) : ()),
        sub {
            my ($answer) = @_;
            $seen{ "$method " . ($answer ? $answer->{status} : 'none') }++;
            judge($answer, $path, $floor) if $answer;
        });
}


sub judge {
    my ($answer, $path, $floor) = @_;

    $slowest = max($slowest, time - $answer->{since});
    push @wrong, "503 without Retry-After\n"
        if $answer->{status} == 503 && $answer->{head} !~ /^Retry-After: \d/mi;
    return if $answer->{status} != 200;

    $hits++ if $answer->{head} =~ /^Cache-Status: .*\bhit\b/mi;
    my $data = decode_json($answer->{body});
    push @wrong, "$path: $data->{count} < $floor\n$answer->{head}\n"
        if $data->{count} < $floor;
    push @wrong, "$data->{account}\n"
        if $data->{account} ne $t->teams->{upstream}{respan};
    $floor{$path} = max($floor{$path} // 0, $data->{count});
}
