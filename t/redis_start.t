use strict;
use warnings;

# A worker that starts has asked Redis before it serves: after a start or a
# reload nobody meets a Redis that is only not connected yet.  One that does not
# answer holds it up for no longer than connect_timeout.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::FakeRedis;
use Proctor::Test::Redis;
use Proctor::Test::Status qw(redis recovers);
use Proctor::Test::Wait qw(wait_until);
use Test::More;
use Time::HiRes qw(time);

# what a sanitizer or a busy machine may cost
my $slow = $ENV{ASAN_OPTIONS} ? 4 : 1;

my $delete = '/api/v2/experiments/exp_none/';
my $server;


sub fixture {
    my (%args) = @_;

    my $options = delete $args{options};
    return Proctor::Test->new(
        teams => sub {
            $_[0]{teams}{alpha}{quotas}
                = [{ name => 'calls', limit => 9999, per => '1m' }];
        },
        http => sub {
            'proctor_zone main:1m; proctor_redis unix:' . $server->socket
                . " $options;\n";
        },
        locations => Proctor::Test::Status::location(),
        %args,
    );
}


# The next worker's first request: a page, or a call.
sub first {
    my ($t, $ask) = @_;

    my %old = map { $_ => 1 } $t->nginx->workers;
    $t->nginx->reload;
    wait_until('the old worker to end', sub { !grep { kill 0, $_ } keys %old });
    return $ask->();
}


# one that takes its time to greet
{
    my $t = fixture(options => 'connect_timeout=4s timeout=2s',
        prepare => sub {
            $server = Proctor::Test::FakeRedis->new(dir => "$_[0]{dir}/redis");
            $server->lie('PING', drip => 0.02);
        });

    my $said = redis($t);
    is $said->{state}, 'ready', 'the first request finds Redis';
    is $said->{connects}, 1, '... with one connection';
    is first($t, sub { redis($t)->{state} }), 'ready',
        '... and after a reload, too';

    $server->lie('PING', '-WRONGPASS no');
    $said = first($t, sub { redis($t) });
    is $said->{reason}, 'PING was answered by WRONGPASS', 'refused';
    is $said->{state}, 'off', '... it serves without';
    $server->honest;
    ok defined recovers($t, 1.5 * $slow), '... until it may';

    $server->lie('PING', 'close');
    is first($t, sub { redis($t)->{state} }), 'off', 'cut: it serves without';
    $server->honest;
    ok defined recovers($t, 1.5 * $slow), '... until it need not';

    $t->stop;
    $server->stop;
}


# one that says nothing
{
    my $t = fixture(options => 'connect_timeout=200ms timeout=100ms',
        prepare => sub {
            $server = Proctor::Test::Redis->new(dir => "$_[0]{dir}/redis");
        });

    my $r = $t->request(DELETE => $delete, key => 'admin');
    is $r->{status}, 404, 'a change is done';

    $server->freeze;
    $t->nginx->reload;
    my $start = time;
    $r = wait_until('the new worker to answer', sub {
        my $r = $t->request(DELETE => $delete, key => 'admin');
        return $r->{status} == 503 && $r;
    });
    cmp_ok time - $start, '<', 1.5 * $slow, 'a silent one holds nobody up';
    is $t->audit($r)->{reason}, 'quota_down', '... changes are refused';
    $server->thaw;
    ok defined recovers($t, 1.5 * $slow), '... until it speaks';

    $server->kill;
    $start = time;
    is first($t, sub { redis($t)->{state} }), 'off', 'a dead one is not there';
    cmp_ok time - $start, '<', 2 * $slow, '... and holds nobody up';

    $t->stop;
}

done_testing;
