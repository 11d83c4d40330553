use strict;
use warnings;

# Quotas and budgets through a real gateway, first counted in a zone, then in
# Redis: who is refused, what the answer says, and what is given back.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::Redis;
use Proctor::Test::Status ();
use Proctor::Test::Wait qw(wait_until);
use Test::More;
use Time::HiRes qw(time);

my $list = '/api/v2/experiments/';
my $redis;


# quotas: of team alpha; limits: of the account acme; redis: 1
sub fixture {
    my (%args) = @_;

    my ($quotas, $limits, $in_redis, $change)
        = delete @args{qw(quotas limits redis change)};
    my $http = delete $args{http} // '';

    return Proctor::Test->new(
        teams => sub {
            my ($data, $teams) = @_;
            $data->{teams}{alpha}{quotas} = $quotas if $quotas;
            $data->{accounts}{acme}{limits} = $limits if $limits;
            $change->($data, $teams) if $change;
        },
        prepare => sub {
            $redis = Proctor::Test::Redis->new(dir => "$_[0]{dir}/redis")
                if $in_redis && !ref $in_redis;
        },
        http => sub {
            "proctor_cache off; proctor_zone main:1m;\n$http"
                . ($in_redis
                    ? 'proctor_redis unix:' . $redis->socket
                        . " timeout=2s;\n"
                    : '');
        },
        $in_redis ? (locations => Proctor::Test::Status::location()) : (),
        %args,
    );
}


sub started {
    my ($t, $in_redis) = @_;

    my %ready;
    wait_until('each worker to have its Redis', sub {
        my $said = $t->request(GET => '/proctor-status')->{json};
        $ready{ $said->{pid} } = $said->{redis}{state} eq 'ready';
        return $t->nginx->workers == grep { $_ } values %ready;
    }) if $in_redis;
    return $t;
}


sub statuses {
    my ($t, $n, @request) = @_;

    return join ' ', map { $t->request(@request)->{status} } 1 .. $n;
}


# every key has a time to live
sub no_key_stays {
    my ($what) = @_;

    my @keys = @{ $redis->command('KEYS', '*') };
    ok @keys > 0, "$what: there are keys";
    is join(' ', grep { $redis->command('PTTL', $_) < 0 } @keys), '',
        "$what: each has a time to live";
}


# the configuration
{
    my $t = fixture(stopped => 1,
        quotas => [{ name => 'calls', limit => 1, per => '1m' }]);
    my $conf = $t->conf;

    for my $case (
        ['', qr/quotas and limits of "[^"]*" need a proctor_zone/],
        ['proctor_cache off; proctor_zone main:1m;'],
        ['proctor_cache off; proctor_zone main:256k; proctor_quota_on_error open;'],
        ['proctor_cache off; proctor_zone main:255k;', qr/must have a size of 256k at least/],
        ['proctor_zone main;', qr/must be NAME:SIZE/],
        ['proctor_zone :1m;', qr/must be NAME:SIZE/],
        ['proctor_cache off; proctor_zone main:x;', qr/must have a size of 256k at least/],
        ['proctor_zone a:1m; proctor_zone b:1m;', qr/is duplicate/],
        ['proctor_zone a:1m; proctor_quota_on_error x;', qr/invalid value "x"/],
    ) {
        my ($text, $why) = @$case;
        $t->nginx->write_conf($conf =~ s/proctor_cache off; proctor_zone main:1m;/$text/r);
        my ($fine, $said) = $t->nginx->test;
        $why ? like($said, $why, "'$text': refused")
            : ok($fine, "'$text': fine") || diag $said;
    }

    $t->stop;
}


for my $in_redis (0, 1) {
    my $where = $in_redis ? 'Redis' : 'zone';

    # the answers
    {
        my $t = started(fixture(redis => $in_redis, quotas => [
            { name => 'calls', limit => 5, per => '1m' },
            { name => 'lists', limit => 3, per => '1d',
                operations => ['experiment.list'] },
        ]), $in_redis);

        my $r = $t->request(GET => $list, key => 'admin');
        $t->passes($r, "$where: a call passes");
        is $r->{headers}{'ratelimit-policy'},
            '"calls";q=5;w=60, "lists";q=3;w=86400', '... with its policies';
        like $r->{headers}{ratelimit},
            qr/\A"calls";r=4;t=6[012], "lists";r=2;t=\d+\z/,
            '... and what is left';
        is $r->{headers}{'retry-after'}, undef, '... nothing to wait for';

        is statuses($t, 2, GET => $list), '401 401',
            "$where: a stranger costs nothing";
        is $t->request(GET => "$list?page=x", key => 'admin')->{status}, 400,
            "$where: nor does an invalid call";
        is $t->request(POST => $list, key => 'viewer', json => {})->{status}, 403,
            "$where: nor one without the right";

        $r = $t->request(GET => $list, key => 'viewer');
        like $r->{headers}{ratelimit}, qr/\A"calls";r=3;t=\d+, "lists";r=1;/,
            "$where: all keys of a team share its quotas";
        is statuses($t, 3, GET => $list, key => 'admin'), '200 429 429',
            "$where: the narrower one refuses first";
        $r = $t->request(GET => "${list}exp_none/", key => 'admin');
        like $r->{headers}{ratelimit}, qr/\A"calls";r=1;t=\d+\z/,
            "$where: ... and takes nothing of the other, nor counts others";
        is $t->request(GET => $list, key => 'beta')->{status}, 200,
            "$where: another team is not concerned";
        $t->request(GET => "${list}exp_none/", key => 'admin');

        $r = $t->request(GET => "${list}exp_none/", key => 'admin');
        $t->refuses($r, 429, "$where: the sixth is refused");
        is $r->{json}{detail}, 'Rate limit exceeded', '... in the API\'s words';
        my $wait = $r->{headers}{'retry-after'};
        is $r->{json}{retry_after}, $wait, '... and shape';
        cmp_ok $wait, '>=', 55, '... it says how long to wait';
        cmp_ok $wait, '<=', 62, '... for one window';
        like $r->{headers}{ratelimit}, qr/\A"calls";r=0;t=$wait\z/,
            '... also in RateLimit';
        my $record = $t->audit($r);
        is "$record->{decision} $record->{reason}", 'refused quota',
            '... and in the audit trail';

        $r = $t->request(GET => '/api/v1/agent_spans', key => 'admin');
        $t->refuses($r, 429, "$where: in the other API's shape",
            code => 'unexpected');

        no_key_stays($where) if $in_redis;
        $t->stop;
    }

    # reservations
    {
        my $t = started(fixture(redis => $in_redis, quotas => [
            { name => 'finds', limit => 2, per => '1d', charge => 'accepted',
                operations => ['experiment.retrieve', 'experiment.list'] },
        ]), $in_redis);

        my @missing = (GET => "${list}exp_none/", key => 'admin');
        is statuses($t, 4, @missing), '404 404 404 404',
            "$where: what the upstream refused is given back";

        my $r;
        wait_until('both to be given back', sub {
            $r = $t->request(@missing);
            return $r->{headers}{ratelimit} =~ /r=1/;
        });
        like $r->{headers}{'ratelimit-policy'}, qr/"finds";q=2;w=86400/,
            '... its policy is told';

        my @there = (GET => $list, key => 'admin');
        is $t->request(@there)->{status}, 200, "$where: what it accepted is not";
        wait_until('the first to be taken', sub {
            $t->request(@missing)->{headers}{ratelimit} =~ /r=0/;
        });
        is $t->request(@there)->{status}, 200, '... a second';
        is $t->request(@there)->{status}, 429, '... no third';
        is $t->request(@missing)->{status}, 429, '... nor a try';

        no_key_stays("$where, reserved") if $in_redis;
        $t->stop;
    }

    # observed
    {
        my $t = started(fixture(redis => $in_redis,
            options => 'proctor_mode observe;',
            quotas => [{ name => 'calls', limit => 1, per => '1m' }]),
            $in_redis);

        is statuses($t, 3, GET => $list, key => 'admin'), '200 200 200',
            "$where: observed calls pass";
        my $r = $t->request(GET => $list, key => 'admin');
        my $record = $t->audit($r);
        is "$record->{decision} $record->{reason}", 'observed quota',
            '... and are known';
        $t->stop;
    }

    # the account's limit
    {
        my $t = started(fixture(redis => $in_redis,
            limits => [{ limit => 6, per => '1m' },
                { limit => 100, per => '1h' }]), $in_redis);

        is statuses($t, 4, GET => $list, key => 'admin'), '200 200 200 200',
            "$where: calls of one team";
        is $t->request(GET => "$list?page=x", key => 'admin')->{status}, 400,
            '... what is not forwarded spends nothing';
        is statuses($t, 3, GET => $list, key => 'beta'), '200 200 429',
            '... leave the rest to another';
        my $r = $t->request(GET => $list, key => 'admin');
        $t->refuses($r, 429, '... and both are refused');
        cmp_ok $r->{headers}{'retry-after'}, '<=', 62, '... for a minute';
        is $t->audit($r)->{reason}, 'account_limit', '... with the reason';
        is $t->request(GET => '/api/v1/agent_spans', key => 'admin')->{status}
            == 429, '', '... another account is not concerned';

        no_key_stays("$where, account") if $in_redis;
        $t->stop;
    }

    # the upstream's own limit
    {
        my $t = started(fixture(redis => $in_redis, workers => 2,
            limits => [{ limit => 1000, per => '1m' }]), $in_redis);

        $t->sandbox->control(POST => 'behave', { limit => 2 });
        is statuses($t, 2, GET => $list, key => 'admin'), '200 200',
            "$where: as many as the upstream allows";
        my $r = $t->request(GET => $list, key => 'admin');
        is $r->{status}, 429, '... its refusal passes';
        is scalar(my @got = $t->upstream($r)), 1, '... it is its own';
        my $own = $r->{json}{retry_after};

        for my $key (qw(beta admin viewer)) {
            $r = $t->request(GET => $list, key => $key);
            $t->refuses($r, 429, "... then $key does not reach it");
            cmp_ok abs($r->{json}{retry_after} - $own), '<=', 1,
                '... is told to wait as long';
            is $t->audit($r)->{reason}, 'upstream_limit', '... and why';
        }

        is $redis->command('EXISTS', 'proctor:{acme}:valve'), 1,
            '... Redis knows, too' if $in_redis;
        $t->stop;
    }
}


# how long an upstream wants to be left alone
{
    my $t = fixture(workers => 2, quotas => [
        { name => 'lists', limit => 3, per => '1d', charge => 'accepted' }]);

    for my $case (
        ['in the body', 7, json => { detail => 'x', retry_after => 7 },
            pace => { bytes => 5, every => 0.005 }],
        ['in the header', 9, json => {}, headers => { 'Retry-After' => 9 }],
        ['nowhere', 1, body => '{"detail":'],
        ['beyond reason', 3600, json => {},
            headers => { 'Retry-After' => 99999999 }],
    ) {
        my ($where, $wait, %rule) = @$case;

        $t->sandbox->behave({ match => { path => '^/api/v2' },
            status => 429, %rule });
        wait_until("the valve to open before: $where", sub {
            my $r = $t->request(GET => $list, key => 'admin');
            return $t->audit($r)->{decision} eq 'allowed';
        }, 15);
        my $r = $t->request(GET => $list, key => 'beta');
        $t->refuses($r, 429, "told $where");
        cmp_ok abs($r->{headers}{'retry-after'} - $wait), '<=', 1,
            "... $wait seconds";
        last if $wait == 3600;
        ($r) = $t->request(POST => $list, key => 'admin', json => {});
        is $r->{status}, 400, '... what is refused anyway says why';
    }
    $t->stop;
}


# answers that do not come: what was sent counts, what was not does not
{
    my $t = fixture(quotas => [
        { name => 'lists', limit => 2, per => '1d', charge => 'accepted' }]);

    for my $case (
        ['a 500', 0, status => 500, json => {}],
        ['a call that is cut off', 1, close => 'before'],
    ) {
        my ($what, $counts, %rule) = @$case;

        $t->sandbox->behave({ match => { path => '^/api/v2' }, times => 0,
            %rule });
        cmp_ok $t->request(GET => $list, key => 'admin')->{status}, '>=', 500,
            $what;
        $t->sandbox->clear;
        my $left = 2 - $counts;
        my $r = $t->request(GET => "${list}exp_none/", key => 'admin');
        like $r->{headers}{ratelimit}, qr/r=@{[$left - 1]};/,
            $counts ? '... counts' : '... is given back';
    }
    $t->stop;
}


# a call that is under way is counted, and one that is given up is given back
{
    my $t = started(fixture(redis => 1, quotas => [
        { name => 'one', limit => 1, per => '1d', charge => 'accepted' }]), 1);

    $redis->freeze;
    my $conn = $t->connect;
    $conn->send($t->bytes(GET => $list, key => 'admin', rid => $t->rid));
    select undef, undef, undef, 0.1;
    $conn->reset;
    select undef, undef, undef, 0.1;
    $redis->thaw;

    my $status;
    wait_until('the reservation to be given back', sub {
        $status = $t->request(GET => $list, key => 'admin')->{status};
        return $status == 200;
    });
    is $status, 200, 'who leaves while waiting keeps nothing';
    $t->stop;
}


done_testing;
