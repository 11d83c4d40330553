use strict;
use warnings;

# What becomes of counts when somebody goes: ends of reservations that Redis did
# not hear, replies that did not come, an upstream's 429 that another gateway
# met, a zone that is full, and a worker killed with the zone's lock in hand.

use File::Temp ();
use FindBin;
use IO::Select;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::Redis;
use Proctor::Test::Status qw(becomes recovers);
use Proctor::Test::Wait qw(slurp wait_until);
use Test::More;
use Time::HiRes qw(time);

# what a sanitizer or a busy machine may cost
my $slow = $ENV{ASAN_OPTIONS} ? 4 : 1;

my $list = '/api/v2/experiments/';
my @there = (GET => $list, key => 'admin');
my @missing = (GET => "${list}exp_none/", key => 'admin');
my $dir = File::Temp->newdir('proctor-XXXXXXXX', TMPDIR => 1);
my $redis = Proctor::Test::Redis->new(dir => "$dir/redis");


sub fixture {
    my (%args) = @_;

    my $quotas = delete $args{quotas};
    my $in_redis = delete $args{redis} // 1;
    my $size = delete $args{size} // '1m';
    my $t = Proctor::Test->new(
        teams => sub { $_[0]{teams}{alpha}{quotas} = $quotas if $quotas },
        http => "proctor_cache off; proctor_zone main:$size;\n" . ($in_redis
            ? 'proctor_redis unix:' . $redis->socket . " timeout=100ms;\n"
            : ''),
        locations => Proctor::Test::Status::location(),
        %args,
    );
    becomes($t, 'ready') if $in_redis;
    return $t;
}


sub said {
    my ($t) = @_;

    return $t->request(GET => '/proctor-status')->{json}{quotas};
}


sub left {
    my ($t) = @_;

    return $t->request(@missing)->{headers}{ratelimit} =~ /r=(\d+)/
        ? $1 + 1 : undef;
}


# the ends of reservations
{
    my $t = fixture(quotas => [
        { name => 'some', limit => 9, per => '1d', charge => 'accepted' }]);
    is left($t), 9, 'nothing is taken yet';

    for my $case (
        ['sent, and not answered', 'ready', 200, 8],
        ['not sent',               'suspect', 200, 7],
        ['not sent, and refused',  'suspect', 404, 7],
    ) {
        my ($how, $state, $status, $left) = @$case;
        my @call = $status == 200 ? @there : @missing;

        $t->sandbox->behave({ match => { path => '^/api/v2' }, hold => 'x' });
        my $conn = $t->connect;
        $conn->send($t->bytes(@call, rid => $t->rid));
        $t->sandbox->wait(held => 1);
        $redis->freeze;
        becomes($t, $state) if $state ne 'ready';
        $t->sandbox->release('x');
        is $conn->answer(method => 'GET')->{status}, $status, "an end is $how";
        is said($t)->{debts}, 1, '... and remembered';

        $redis->thaw;
        ok defined recovers($t, 1.5 * $slow), '... until Redis is back';
        wait_until('all ends to be known', sub { said($t)->{debts} == 0 });
        is left($t), $left, '... and counts once';
    }
    is said($t)->{forgone}, 0, 'nothing was given up';
    $t->stop;
}


# replies that do not come
{
    $redis->command('FLUSHALL');
    my $t = fixture(quotas => [
        { name => 'some', limit => 9, per => '1d', charge => 'accepted' },
        { name => 'calls', limit => 99, per => '1d' }]);
    is left($t), 9, 'nothing is taken yet';

    $redis->freeze;
    is $t->request(@there)->{status}, 200, 'a reply is lost';
    my $said = said($t);
    is "$said->{lost} $said->{local}", '1 1', '... counted, and known';
    $redis->thaw;
    ok defined recovers($t, 1.5 * $slow), '... until Redis is back';
    wait_until('the reservation to end', sub { said($t)->{debts} == 0 });
    is left($t), 9, '... what it may have reserved is given back';

    $t->stop;
    $redis->command('FLUSHALL');
    $t = fixture(quotas => [{ name => 'calls', limit => 9, per => '1d' }]);
    is $t->request(@there)->{status}, 200, 'of a quota that reserves nothing';
    $redis->freeze;
    is $t->request(@there)->{status}, 200, '... a reply is lost';
    $redis->thaw;
    ok defined recovers($t, 1.5 * $slow), '... until Redis is back';
    is left($t), 7, '... once charged for each';
    is said($t)->{lost}, 1, '... and known';
    $t->stop;
}


# what was left in Redis is left without it, for all workers
{
    $redis->command('FLUSHALL');
    my $t = fixture(workers => 2, quotas => [
        { name => 'calls', limit => 60, per => '1h' }]);
    wait_until('both workers to have asked', sub {
        my %of;
        for (1 .. 20) {
            my $r = $t->request(GET => '/proctor-status');
            $of{ $r->{json}{pid} } = $r->{json}{quotas};
        }
        $t->request(@there);
        return 2 == grep { $_->{added} + $_->{scripts} > 3 } values %of;
    });
    my $left = left($t);
    my $more = grep { $t->request(@there)->{status} == 200 } 1 .. 5;
    $redis->freeze;
    my %status;
    $status{ $t->request(@there)->{status} }++ for 1 .. 70;
    cmp_ok $status{200}, '<=', $left - 1 - $more, "$left were left, and $more "
        . "were taken before Redis went: $status{200} get through";
    cmp_ok $status{200}, '>=', $left - 1 - $more - 12,
        '... each worker knows what it heard last';
    $redis->thaw;
    ok defined recovers($t, 1.5 * $slow), '... until Redis is back';
    $t->stop;
}


# an upstream's 429, at another gateway, on an account without limits
{
    my @t = map { fixture() } 1 .. 2;
    is $_->request(@there)->{status}, 200, 'a gateway' for @t;
    $t[0]->sandbox->behave({ match => { path => '^/api/v2' }, status => 429,
        json => {}, headers => { 'Retry-After' => 9 } });
    is $t[0]->request(@there)->{status}, 429, 'one meets a 429';
    my $r;
    wait_until('the other to know', sub {
        $r = $t[1]->request(@there);
        return $r->{status} == 429;
    }, 0.5 * $slow);
    $t[1]->refuses($r, 429, '... the other one asks no more');
    cmp_ok abs($r->{headers}{'retry-after'} - 9), '<=', 1, '... for as long';
    is $t[1]->audit($r)->{reason}, 'upstream_limit', '... with the reason';
    is $t[1]->request(GET => '/api/v1/agent_spans', key => 'admin')->{status}
        == 429, '', '... another account is not concerned';
    $_->stop for @t;
}


# more than the zone can hold
{
    my $n = 700;
    my $t = fixture(redis => 0, size => '256k', teams => sub {
        my ($data, $teams) = @_;
        $data->{teams}{"team-$_"} = {
            accounts => { respan => 'acme' },
            keys => [$teams->key("team-$_")],
            quotas => [{ name => 'calls', limit => 1, per => '1h' }],
        } for 1 .. $n;
    });
    my $conn = $t->connect;
    my $status = sub {
        return join ' ', sort { $a <=> $b } keys %{ { map {
            ($t->request(GET => $list, key => "team-$_", conn => $conn)
                ->{status} => 1)
        } @_ } };
    };
    is $status->(1 .. $n), '200', "$n teams in a zone for fewer: all get in";
    is $status->($n - 99 .. $n), '429', '... the last ones are remembered';
    is $status->(1 .. 100), '200', '... the first are forgotten';
    $conn->close;
    $t->stop;
}


# killed with the lock in hand: the zone's first word is its lock
{
    my $t = fixture(redis => 0, workers => 2, size => '1252k', quotas => [
        { name => 'calls', limit => 1000, per => '1h' }]);
    my ($dead) = $t->nginx->workers;
    my $maps = slurp("/proc/$dead/maps");
    no warnings 'portable';
    my ($zone) = map { hex $_->[0] }
        grep { hex($_->[1]) - hex($_->[0]) == 1252 * 1024 }
        map { /^(\w+)-(\w+) rw-s/ ? [$1, $2] : () } split /\n/, $maps;
    my $conn = wait_until('a connection of the other worker', sub {
        my $conn = $t->connect;
        my $r = $t->request(GET => '/proctor-status', conn => $conn);
        return $conn if $r->{json}{pid} != $dead;
        $conn->close;
        return undef;
    });
    is $t->request(@there, conn => $conn)->{status}, 200, 'two workers';

    push @{ $t->nginx->{expected} },
        qr/$dead exited on signal 9|zone "main" was locked by $dead/;
    open my $memory, '+<:raw', "/proc/$dead/mem" or die "mem: $!\n";
    sysseek $memory, $zone, 0;
    is syswrite($memory, pack 'Q', $dead), 8, '... one has the lock';
    $conn->send($t->bytes(@there, rid => $t->rid));
    ok !IO::Select->new($conn->{socket})->can_read(0.2), '... the other waits';

    my $start = time;
    kill 'KILL', $dead;
    is $conn->answer(method => 'GET')->{status}, 200, '... until it is dead';
    cmp_ok time - $start, '<', 0.1 * $slow, '... no longer than that';
    $conn->close;
    wait_until('another in its place', sub { 2 == (() = $t->nginx->workers) });
    is $t->request(@there)->{status}, 200, '... and goes on';
    $t->stop;
}


done_testing;
