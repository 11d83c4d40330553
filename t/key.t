use strict;
use warnings;

# The account's key goes upstream and nothing else that could be one: exactly
# one credential on every way a request can take, and none that comes back.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::Wait qw(free_ports);
use Test::More;

my $base = '/api/v2/experiments';
my ($dead) = free_ports(1);

my $t = Proctor::Test->new(
    teams => sub {
        my ($data, $teams) = @_;
        $teams->{upstream}{second} = 'sk_' . Proctor::Test::Teams::random();
        $data->{accounts}{filed} = {
            contract => 'respan', keys => [{ file => 'account.key' }] };
        $data->{accounts}{turning} = {
            contract => 'respan',
            keys => [{ env => 'PROCTOR_TEST_SECOND' },
                { env => 'PROCTOR_TEST_RESPAN' }],
        };
        $data->{teams}{filed} = {
            accounts => { respan => 'filed' }, keys => [$teams->key('filed')] };
        $data->{teams}{turning} = { accounts => { respan => 'turning' },
            keys => [$teams->key('turning')] };
    },
    prepare => sub {
        my ($self) = @_;
        $self->write_file('account.key', $self->teams->{upstream}{respan} . "\n");
        $self->{args}{env}{PROCTOR_TEST_SECOND} = $self->teams->{upstream}{second};
    },
    http => sub {
        my ($self) = @_;
        my $port = $self->sandbox->port;
        return <<"EOT";
    upstream twice {
        server 127.0.0.1:$port max_fails=0;
        server localhost:$port max_fails=0;
    }
    upstream half_dead {
        server 127.0.0.1:$dead max_fails=0;
        server 127.0.0.1:$port max_fails=0;
    }
    server {
        listen 127.0.0.1:$self->{port};
        server_name twice.test;
        location / {
            proctor respan;
            proxy_next_upstream error timeout http_503;
            proxy_pass http://twice;
        }
    }
    server {
        listen 127.0.0.1:$self->{port};
        server_name dead.test;
        location / {
            proctor respan;
            proxy_pass http://half_dead;
        }
    }
    server {
        listen 127.0.0.1:$self->{port};
        server_name mirror.test;
        location / {
            proctor respan;
            mirror /mirror;
            proxy_pass http://sandbox;
        }
        location = /mirror {
            internal;
            proxy_pass http://sandbox/mirrored;
        }
    }
    server {
        listen 127.0.0.1:$self->{port};
        server_name page.test;
        location /api/ {
            proctor respan;
            proxy_intercept_errors on;
            error_page 503 = /elsewhere;
            error_page 500 = \@ours;
            proxy_pass http://sandbox;
        }
        location = /elsewhere {
            proxy_pass http://sandbox/elsewhere;
        }
        location \@ours {
            proctor respan;
            proxy_pass http://sandbox;
        }
    }
EOT
    },
);

my $respan = $t->teams->{upstream}{respan};


sub credentials {
    my ($record) = @_;

    return [map { $_->[1] } grep { $_->[0] =~ /auth|api-?key|cookie|token/i }
        @{ $record->{headers} }];
}

sub get { $t->request(GET => "$base/", key => 'admin', @_) }


# exactly one, and it is the account's
{
    my $r = get();
    my ($got) = $t->upstream($r);
    is_deeply credentials($got), ["Bearer $respan"], 'the account key, once';
    unlike $got->{head}, qr/\Q${\ $t->teams->token('admin')}/,
        'the caller key is gone';

    $r = $t->request(GET => '/api/v1/ping', key => 'admin');
    ($got) = $t->upstream($r);
    is_deeply credentials($got),
        ['Bearer ' . $t->teams->{upstream}{prefactor}],
        'the other API gets its own';

    $r = $t->request(GET => "$base/", key => 'filed');
    ($got) = $t->upstream($r);
    is_deeply credentials($got), ["Bearer $respan"],
        'a key from a file, without its newline';
}


# what a client may not say
for my $name ('Authorization', 'Proxy-Authorization', 'Cookie', 'X-Api-Key',
    'Api-Key', 'X-Forwarded-User', 'X-Forwarded-Email', 'X-Forwarded-Groups',
    'X-Forwarded-Preferred-Username', 'X-Forwarded-Host', 'X-Forwarded-Proto',
    'X-Forwarded-Port', 'Forwarded', 'X-Auth-Request-User',
    'X-Auth-Request-Email', 'X-Auth-Request-Whatever', 'X-Remote-User',
    'Remote-User', 'X-Real-IP', 'X-Client-IP', 'True-Client-IP',
    'X-Original-URL', 'X-Rewrite-URL', 'X-Accel-Redirect',
    'X-Accel-Buffering', 'X-Accel-Internal', 'X-Proctor-Team',
    'X-Proctor-Anything', 'HTTP2-Settings', 'Upgrade') {

    for my $given ($name, lc $name, uc $name) {
        next if lc $name eq 'authorization';
        my $r = get(headers => [$given, 'forged-value']);
        my ($got) = $t->upstream($r);
        ok $got, "$given: forwarded" or next;
        unlike $got->{head}, qr/forged-value/, "... without $given";
    }
}

for my $name ('X_Api_Key', 'X_Forwarded_User', 'Proxy_Authorization',
    'Remote_User') {
    my $r = get(headers => [$name, 'forged-value']);
    my ($got) = $t->upstream($r);
    unlike $got->{head}, qr/forged-value/, "$name does not pass as a variant";
}

{
    my $r = get(headers => ['X-Other', 'kept-value', 'Accept-Language', 'de',
        'Idempotency-Key', 'k1']);
    my ($got) = $t->upstream($r);
    like $got->{head}, qr/X-Other: kept-value\r\n/, 'other headers pass';
    like $got->{head}, qr/Idempotency-Key: k1\r\n/, '... as they are';

    # H10: hop-by-hop names do not take the lent key away
    $r = get(headers => ['Connection', 'close, Authorization, X-Request-Id']);
    ($got) = $t->upstream($r);
    is_deeply credentials($got), ["Bearer $respan"],
        'Connection: Authorization changes nothing';
}


# keepalive: callers and accounts do not mix on one connection
{
    my $conn = $t->connect;
    for my $i (1 .. 30) {
        my $key = (qw(admin beta viewer))[$i % 3];
        my $pf = $i % 5 == 0 && $key eq 'admin';
        my $r = $t->request(GET => $pf ? '/api/v1/ping' : "$base/",
            key => $key, conn => $conn);
        my ($got) = $t->upstream($r);
        my $want = $t->teams->{upstream}{ $pf ? 'prefactor' : 'respan' };
        is_deeply credentials($got), ["Bearer $want"], "request $i";
    }
    $conn->close;
}


# retries
{
    $t->sandbox->behave({ status => 503 });
    my $r = get(host => 'twice.test');
    my @got = $t->upstream($r);
    is @got, 2, 'a 503 was tried again';
    is_deeply credentials($_), ["Bearer $respan"], '... with one credential'
        for @got;

    $t->sandbox->behave({ close => 'before' });
    $r = get(host => 'twice.test');
    @got = $t->upstream($r);
    is @got, 2, 'a closed connection was tried again';
    is_deeply credentials($_), ["Bearer $respan"], '... with one credential'
        for @got;

    for (1 .. 2) {
        $r = get(host => 'dead.test');
        @got = $t->upstream($r);
        is @got, 1, 'a dead peer is stepped over';
        is_deeply credentials($got[0]), ["Bearer $respan"],
            '... with one credential';
    }
}


# redirects inside of nginx
{
    $t->sandbox->behave({ status => 503 });
    my $r = get(host => 'page.test');
    my @got = $t->upstream($r);
    is @got, 2, 'an error page that proxies';
    is_deeply credentials($got[0]), ["Bearer $respan"], '... first with the key';
    is_deeply credentials($got[1]), [], '... elsewhere with none at all';
    is scalar(my @records = $t->audit($r)), 1, '... is one call in the trail';

    $t->sandbox->behave({ status => 500 });
    $r = get(host => 'page.test');
    @got = $t->upstream($r);
    is @got, 2, 'a named location of the same contract';
    is_deeply credentials($_), ["Bearer $respan"], '... gets the same one'
        for @got;
}


# mirrors
{
    my $r = get(host => 'mirror.test');
    $t->sandbox->wait(open => 100);
    my @got = Proctor::Test::Wait::wait_until('the mirror', sub {
        my @records = $t->upstream($r);
        return @records == 2 ? \@records : undef;
    })->@*;
    my ($mirrored) = grep { $_->{target} eq '/mirrored' } @got;
    my ($own) = grep { $_->{target} ne '/mirrored' } @got;
    is_deeply credentials($own), ["Bearer $respan"], 'beside a mirror: the key';
    is_deeply credentials($mirrored), [], 'the mirror gets none';

    $r = $t->request(GET => "$base/", token => 'wrong', host => 'mirror.test');
    is $r->{status}, 401, 'a refused request';
    my @leaked = grep { $_->{head} =~ /Bearer wrong/ } $t->sandbox->log;
    is @leaked, 0, '... takes no credential to the mirror';
}


# the upstream's opinion of our key is not the caller's fault
for my $status (401, 407) {
    $t->sandbox->behave({ status => $status, json => { detail => 'secret' },
        headers => { 'WWW-Authenticate' => 'Bearer realm="upstream"',
            'Proxy-Authenticate' => 'Basic' } });
    my $r = get();
    is $r->{status}, 502, "an upstream's $status: 502";
    like $r->{json}{detail}, qr/credential was refused/i, '... says why';
    unlike $r->{head} . $r->{body}, qr/secret|www-authenticate|proxy-authenticate/i,
        '... and nothing of the upstream';
    is $t->audit($r)->{upstream_status}, $status, '... the trail knows';
}

{
    $t->sandbox->behave({ status => 401, body => 'x' x 100_000 });
    my $conn = $t->connect;
    my $r = get(conn => $conn);
    is $r->{status}, 502, 'a 401 with a long body: 502';
    $r = get(conn => $conn);
    is $r->{status}, 200, '... and the connection goes on';
    $conn->close;

    $t->sandbox->behave({ status => 403, json => { detail => 'Not yours.' } });
    $r = get();
    is $r->{status}, 403, "an upstream's 403 is the caller's business";
    is $r->{json}{detail}, 'Not yours.', '... and passes as it is';

    # on the other API
    $t->sandbox->behave({ status => 401 });
    $r = $t->request(GET => '/api/v1/ping', key => 'admin');
    is $r->{status}, 502, '502 in the other shape';
    is $r->{json}{code}, 'unexpected', '... with its code';
}

# a refused key is followed by the account's next one
{
    my $r = $t->request(GET => "$base/", key => 'turning');
    my ($got) = $t->upstream($r);
    is_deeply credentials($got), ["Bearer $t->{teams}{upstream}{second}"],
        'the first key of two';
    is $r->{status}, 502, '... which the upstream does not know';

    $r = $t->request(GET => "$base/", key => 'turning');
    ($got) = $t->upstream($r);
    is_deeply credentials($got), ["Bearer $respan"], 'then the second';
    is $r->{status}, 200, '... which it does';
}


# redirects of the upstream would take the caller somewhere else
for my $status (301, 302, 303, 307, 308) {
    $t->sandbox->behave({ status => $status,
        headers => { Location => 'https://elsewhere.example/x' } });
    my $r = get();
    is $r->{status}, 502, "an upstream's $status: 502";
    unlike $r->{head} . $r->{body}, qr/elsewhere/, '... without its Location';
}

{
    my $r = get(headers => ['If-None-Match', '"x"']);
    $t->sandbox->behave({ status => 304 });
    $r = get(headers => ['If-None-Match', '"x"']);
    is $r->{status}, 304, '304 is no redirect';
}


# X-Accel-*: neither obeyed nor passed on (H24)
{
    $t->sandbox->behave({ headers => {
        'X-Accel-Redirect'   => '/api/v2/experiments/other/',
        'X-Accel-Expires'    => '100',
        'X-Accel-Limit-Rate' => '1',
        'X-Accel-Buffering'  => 'no',
        'X-Accel-Charset'    => 'koi8-r',
        'X-Accel-Other'      => 'x',
    } });
    my $r = get();
    is $r->{status}, 200, 'X-Accel-Redirect does not redirect';
    is scalar(my @got = $t->upstream($r)), 1, '... and asks nothing else';
    unlike $r->{head}, qr/x-accel/i, '... and no X-Accel header comes back';
    unlike $r->{headers}{'content-type'}, qr/koi8/, '... nor what it says';
}


# the key may not come back in a header of an echoing upstream
{
    my $r = get();
    unlike $r->{head} . $r->{body}, qr/\Q$respan/, 'no key in an answer';

    $t->sandbox->behave({ status => 200, json => {}, headers => [
        ['X-Debug', "Authorization: Bearer $respan"], ['Echo', $respan],
        ['Warning', "199 - \"$respan\""], ['Echo', 'x' x 200], ['Age', 1] ] });
    $r = get();
    is $r->{status}, 200, 'an upstream that says which key it got';
    unlike $r->{head}, qr/\Q$respan/, '... is not quoted';
    unlike $r->{head}, qr/^(?:X-Debug|Warning):/mi, '... by any header';
    like $r->{head}, qr/^Echo: x{200}\r$/m, '... the others come';
}

$t->done;
