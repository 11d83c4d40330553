use strict;
use warnings;

# Every error is JSON in the shape that the API's own clients parse, also those
# that nginx raises by itself, and it says nothing of the inside.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::Wait qw(free_ports);
use Test::More;

my ($dead) = free_ports(1);
my $base = '/api/v2/experiments';

my $t = Proctor::Test->new(
    options => 'client_max_body_size 4k; proxy_read_timeout 1s;'
        . 'proxy_buffer_size 4k; proxy_next_upstream off;',
    locations => <<"EOT",
        location /api/v2/experiments/dead {
            proctor respan;
            proxy_pass http://127.0.0.1:$dead;
        }
        location /api/v2/experiments/static {
            proctor respan;
            root /nonexistent;
        }
        location /api/v2/experiments/returned {
            proctor respan;
            return 503;
        }
        location /api/v2/experiments/denied {
            proctor respan;
            deny all;
        }
        location /api/v2/experiments/paged {
            proctor respan;
            error_page 502 \@page;
            proxy_pass http://127.0.0.1:$dead;
        }
        location \@page {
            return 502 "a page of our own";
        }
EOT
);

my $inside = qr/127\.0\.0\.1|sandbox|nginx|acme|\.c:\d/i;


# An error that nginx raised: status, shape, and nothing of the inside.
sub raised {
    my ($r, $status, $name) = @_;

    my @wrong = $t->wrong($r, $status);
    @wrong = grep { $_ ne 'was forwarded' } @wrong;
    push @wrong, 'tells of the inside' if $r->{body} =~ $inside;
    push @wrong, 'has no request id' unless $r->{headers}{'x-request-id'};
    push @wrong, 'has a wrong length'
        if ($r->{headers}{'content-length'} // length $r->{body})
        != length $r->{body};

    ok !@wrong, "$name: $status in the API's shape"
        or diag join "\n", @wrong, $r->{head}, $r->{body};
}

# Tries it on both APIs: respan's shape, then prefactor's.
sub both {
    my ($status, $name, $rule) = @_;

    for my $call ([GET => "$base/x/"], [GET => '/api/v1/ping']) {
        $t->sandbox->behave({%$rule});
        my $r = $t->request(@$call, key => 'admin');
        raised($r, $status, "$name, $call->[1]");
        is $t->audit($r)->{status}, $status, '... and the trail has it';
        next if $call->[1] !~ /v1/;
        is $r->{json}{code}, 'unexpected', '... with the code of a 5xx';
        is $r->{json}{status}, 'error', '... and status';
    }
}


# the upstream misbehaves (H25)
both(502, 'the upstream closes', { close => 'before' });
both(502, 'the upstream resets', { close => 'reset' });
both(502, 'no HTTP', { raw => "what?\r\n\r\n" });
both(502, 'a header over the buffer', { raw => "HTTP/1.1 200 OK\r\nX: "
    . ('x' x 8000) . "\r\n\r\n" });
both(502, 'a head that ends early', { raw => "HTTP/1.1 200 OK\r\nX" });
both(502, 'a NUL in a header', { raw => "HTTP/1.1 200 OK\r\nX: \0\r\n\r\n" });
both(504, 'the upstream is silent', { hold => 'silent' });
$t->sandbox->release('silent');

{
    my $r = $t->request(GET => "$base/dead/", key => 'admin');
    raised($r, 502, 'nobody listens');
    $r = $t->request(HEAD => "$base/dead/", key => 'admin');
    is $r->{status}, 502, 'HEAD gets the status';
    is $r->{body}, '', '... and no body';

    my $conn = $t->connect;
    for (1 .. 3) {
        $r = $t->request(GET => "$base/dead/", key => 'admin', conn => $conn);
        raised($r, 502, "on one connection, $_");
    }
    $conn->close;
}

# an answer that breaks off is not made whole
{
    $t->sandbox->behave({ body => 'x' x 10_000, close => 'mid_body' });
    my $r = $t->request(GET => "$base/x/", key => 'admin');
    ok $r->{closed}, 'a short answer ends short';
    ok length $r->{body} < 10_000, '... without invented bytes';
}


# other handlers of nginx under a contract
raised($t->request(GET => "$base/static/", key => 'admin'), 404,
    'a file that is not there');
raised($t->request(GET => "$base/denied/", key => 'admin'), 403,
    'nginx denies');
{
    my $r = $t->request(GET => "$base/returned/", key => 'admin');
    raised($r, 503, 'nginx returns');
    $r = $t->request(GET => "$base/paged/", key => 'admin');
    is $r->{status}, 502, 'an error page of the operator';
}


# before a location is known, the target says which shape; both, if it is none
{
    my $r = $t->raw("GET\r\n\r\n");
    is $r->{status}, 400, 'a malformed request line: 400';
    is_deeply [sort keys %{ $r->{json} || {} }],
        [qw(code detail message status)], '... that clients of both can read';

    $r = $t->raw("GET /api/v1/ping HTTP/1.1\r\n\r\n");
    is $r->{json}{code}, 'bad_request', "the other API's shape";
}

for my $case (
    [400, 'a malformed header', "GET $base/ HTTP/1.1\r\nHost: x\r\nX :y\r\n\r\n"],
    [400, 'no Host', "GET $base/ HTTP/1.1\r\n\r\n"],
    [400, 'two Hosts', "GET $base/ HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"],
    [400, 'a NUL in the path', "GET $base/%00/ HTTP/1.1\r\nHost: x\r\n\r\n"],
    [400, 'both framings', "POST $base/ HTTP/1.1\r\nHost: x\r\n"
        . "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    [400, 'a long header', "GET $base/ HTTP/1.1\r\nHost: x\r\nX: "
        . ('x' x 40_000) . "\r\n\r\n"],
    [414, 'a long target', "GET $base/" . ('x' x 40_000) . " HTTP/1.1\r\n\r\n"],
    [501, 'an unknown coding', "POST $base/ HTTP/1.1\r\nHost: x\r\n"
        . "Transfer-Encoding: gzip\r\n\r\n"],
) {
    my ($status, $name, $bytes) = @$case;
    my $r = $t->raw($bytes);
    is $r->{status}, $status, "$name: $status";
    like $r->{headers}{'content-type'}, qr{\Aapplication/json\b}, '... is JSON';
    ok ref $r->{json} eq 'HASH' && defined $r->{json}{detail},
        '... in the shape of the path' or diag $r->{body};
    unlike $r->{body}, $inside, '... and tells nothing of the inside';
}


# 413 and friends, where the location is known
for my $call ([POST => "$base/"], [POST => '/api/v1/agent_spans']) {
    my $r = $t->request(@$call, key => 'admin', body => ' ' x 5000);
    $t->refuses($r, 413, "@$call: 413");
    ok $r->{headers}{'x-request-id'}, '... with a request id';
    is $t->audit($r)->{decision}, 'refused', '... is refused in the trail';

    my $rid = Proctor::Test::rid();
    $r = $t->raw($t->bytes(@$call, key => 'admin', rid => $rid, headers => [
        'Transfer-Encoding' => 'chunked', 'Content-Type' => 'application/json',
    ]) . "1388\r\n" . (' ' x 5000) . "\r\n0\r\n\r\n");
    is $r->{status}, 413, '413 of a chunked body';
    ok ref $r->{json} eq 'HASH', '... is JSON';

    $r = $t->raw($t->bytes(@$call, key => 'admin', rid => $rid, headers => [
        'Transfer-Encoding' => 'chunked', 'Content-Type' => 'application/json',
    ]) . "zz\r\n");
    is $r->{status}, 400, '400 of a malformed chunk';
    ok ref $r->{json} eq 'HASH', '... is JSON';
}


# what the upstream says is passed on as it is
for my $status (200, 202, 400, 404, 409, 422, 429, 500, 503) {
    my $body = qq({ "detail" : "as it is, $status" });
    $t->sandbox->behave({ status => $status, body => $body,
        headers => { 'X-Own' => 'kept', 'Retry-After' => '3' } });
    my $r = $t->request(GET => "$base/x/", key => 'admin');
    is "$r->{status} $r->{body}", "$status $body", "an upstream's $status";
    is $r->{headers}{'x-own'}, 'kept', '... with its headers';
}


# request ids
{
    my $r = $t->request(GET => "$base/x/", key => 'admin', rid => 'a.B-c_9');
    is $r->{headers}{'x-request-id'}, 'a.B-c_9', 'a given id comes back';
    my ($got) = $t->upstream('a.B-c_9');
    is scalar(Proctor::Test::Sandbox::values_of($got, 'X-Request-Id')), 1,
        '... and goes on once' if $got;

    my $long = 'x' x 128;
    $r = $t->request(GET => "$base/x/", key => 'admin', rid => $long);
    is $r->{headers}{'x-request-id'}, $long, '128 bytes are taken';

    for my $bad ('x' x 129, 'a b', 'a"b', "a\xffb", 'a/b', 'a;b', '<x>') {
        $r = $t->request(GET => "$base/x/", key => 'admin', rid => $bad);
        my $id = $r->{headers}{'x-request-id'};
        like $id, qr/\A[A-Za-z0-9._-]{16,128}\z/, 'another one is made';
        my @got = $t->upstream($id);
        is @got, 1, '... which the upstream gets';
        is_deeply [Proctor::Test::Sandbox::values_of($got[0], 'X-Request-Id')],
            [$id], '... and no other';
    }

    my %ids;
    $ids{ $t->request(GET => "$base/x/", token => 'x', bare => 1, headers =>
        [Host => 'x', Connection => 'close'])->{headers}{'x-request-id'} }++
        for 1 .. 5;
    is keys %ids, 5, 'ids that are made differ';

    $t->sandbox->behave({ headers => { 'X-Request-Id' => 'theirs' } });
    $r = $t->request(GET => "$base/x/", key => 'admin', rid => 'ours-1');
    is $r->{headers}{'x-request-id'}, 'ours-1', "an upstream's own id is not ours";
}

$t->done;
