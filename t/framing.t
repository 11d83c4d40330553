use strict;
use warnings;

# HTTP that no client of these APIs sends, and that two servers may read in two
# ways: refused before anything else, and what follows on the connection is
# either answered rightly or not at all.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Test::More;

my $base = '/api/v2/experiments';
my $t = Proctor::Test->new;
my $auth = join ': ', $t->authorization('admin');
my $body = '{"dataset_id":"d","evaluator_ids":["e"],"workflow":[{"type":"t"}]}';


# Everything the server says to these bytes, one answer after the other.
sub conversation {
    my ($bytes) = @_;

    my $conn = $t->connect;
    $conn->send($bytes);
    $conn->half_close;

    my @answers;
    while (my $answer = $conn->answer) {
        push @answers, Proctor::Test::finish($answer);
        last if $answer->{closed} || @answers > 200;
    }
    $conn->close;
    return @answers;
}


# what is said wrongly in the header (H8, H12, H16, H20)
for my $case (
    [400, 'X-HTTP-Method-Override', 'DELETE'],
    [400, 'X-HTTP-Method', 'DELETE'],
    [400, 'X-Method-Override', 'PUT'],
    [400, 'x-http-method-override', ''],
    [400, 'X-Any', "a\x01b"],
    [400, 'X-Any', "\x1b[31m"],
    [400, 'X-Any', "a\x7f"],
    [400, 'User-Agent', "a\x08"],
    [417, 'Expect', '200-ok'],
    [417, 'Expect', '100-continue, x'],
    [417, 'Expect', ''],
) {
    my ($status, @header) = @$case;
    (my $name = "@header") =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ge;
    my $r = $t->request(POST => "$base/", key => 'admin', body => $body,
        headers => \@header);
    $t->refuses($r, $status, "$name: $status");
}

for my $n (95, 150, 1000) {
    my $r = $t->request(GET => "$base/", key => 'admin',
        headers => [map { ("X-H$_", 'v') } 1 .. $n]);
    $n < 100 ? $t->passes($r, "$n header lines pass")
             : $t->refuses($r, 400, "$n header lines: 400");
}

$t->passes($t->request(GET => "$base/", key => 'admin',
    headers => ['X-Any', "caf\xe9\ttab"]), 'obs-text and tab pass');


# fat requests (H18)
for my $case ([GET => "$base/"], [HEAD => "$base/"], [DELETE => "$base/x/"],
    [GET => '/api/v1/ping']) {
    for my $form (
        ['a length', ['Content-Length', 2], '{}'],
        ['chunks', ['Transfer-Encoding', 'chunked'], "2\r\n{}\r\n0\r\n\r\n"],
    ) {
        my ($name, $headers, $bytes) = @$form;
        my $rid = Proctor::Test::rid();
        my $r = $t->raw($t->bytes(@$case, key => 'admin', rid => $rid,
            headers => $headers) . $bytes, $case->[0]);
        is $r->{status}, 400, "@$case with a body in $name: 400";
        is scalar(my @got = $t->upstream($rid)), 0, '... and not forwarded';
    }

    my $r = $t->request(@$case, key => 'admin',
        headers => ['Content-Length', 0]);
    $t->passes($r, "@$case with a length of 0 passes");
}


# versions of HTTP (H14)
for my $case (
    ["GET $base/\r\n", 'HTTP/0.9'],
    ["GET $base/ HTTP/1.32\r\nHost: x\r\n$auth\r\n\r\n", 'HTTP/1.32'],
    ["GET $base/ HTTP/2.0\r\nHost: x\r\n$auth\r\n\r\n", 'HTTP/2.0'],
    ["GET $base/ HTTP/1\r\nHost: x\r\n$auth\r\n\r\n", 'HTTP/1'],
    ["GET $base/ http/1.1\r\nHost: x\r\n$auth\r\n\r\n", 'http/1.1'],
    ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 'the preface of HTTP/2'],
) {
    my ($bytes, $name) = @$case;
    my $before = () = $t->sandbox->log;
    my $conn = $t->connect;
    $conn->send($bytes);
    my $said = $conn->rest;
    unlike $said, qr/200 OK/, "$name is not answered as if it were 1.1";
    is scalar(my @log = $t->sandbox->log), $before, '... and not forwarded';
    $conn->close;
}

{
    my $r = $t->raw("GET $base/ HTTP/1.0\r\nHost: gateway.test\r\n$auth\r\n\r\n");
    is $r->{status}, 200, 'HTTP/1.0 is spoken';
}


# what two servers may read in two ways (H1-H7): at most one request, and
# nothing that hides inside of a body ever reaches the upstream
my $hidden = "GET $base/smuggled/ HTTP/1.1\r\nHost: gateway.test\r\n$auth\r\n"
    . "X-Request-Id: smuggled\r\n\r\n";

for my $case (
    ['both framings', "Content-Length: %d\r\nTransfer-Encoding: chunked\r\n"],
    ['both, the other way', "Transfer-Encoding: chunked\r\nContent-Length: %d\r\n"],
    ['two lengths', "Content-Length: 0\r\nContent-Length: %d\r\n"],
    ['the same length twice', "Content-Length: %d\r\nContent-Length: %d\r\n"],
    ['a list of lengths', "Content-Length: 0, %d\r\n"],
    ['a signed length', "Content-Length: +%d\r\n"],
    ['a negative length', "Content-Length: -1\r\n"],
    ['a length in hex', "Content-Length: 0x10\r\n"],
    ['a length of 2^64', "Content-Length: 18446744073709551616\r\n"],
    ['a length with a space inside', "Content-Length: 1 0\r\n"],
    ['xchunked', "Transfer-Encoding: xchunked\r\n"],
    ['gzip, chunked', "Transfer-Encoding: gzip, chunked\r\n"],
    ['chunked, identity', "Transfer-Encoding: chunked, identity\r\n"],
    ['chunked twice', "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"],
    ['a tab before chunked', "Transfer-Encoding:\x0bchunked\r\n"],
    ['a space before the colon', "Transfer-Encoding : chunked\r\n"],
    ['a folded line', "Transfer-Encoding:\r\n chunked\r\n"],
    ['a NUL', "Transfer-Encoding: chunked\0\r\n"],
    ['a CR in a value', "X: a\rTransfer-Encoding: chunked\r\nContent-Length: 0\r\n"],
    ['an underscore', "Transfer_Encoding: chunked\r\nContent-Length: 0\r\n"],
    ['quotes', "Transfer-Encoding: \"chunked\"\r\n"],
) {
    my ($name, $lines) = @$case;
    $lines =~ s/%d/length $hidden/ge;
    my @answers = conversation("POST $base/ HTTP/1.1\r\nHost: gateway.test\r\n"
        . "Content-Type: application/json\r\n$auth\r\n$lines\r\n"
        . "0\r\n\r\n$hidden");

    ok @answers && $answers[0]{status} >= 400, "$name is refused"
        or diag $answers[0] ? $answers[0]{head} : 'no answer';

    if ($name ne 'an underscore' && $name !~ /CR in/) {
        is scalar(my @got = $t->upstream('smuggled')), 0,
            '... and nothing hides behind it';
    }
}

for my $case (
    ['a size with 0x',        "0x42\r\n%s\r\n0\r\n\r\n"],
    ['a size with a sign',    "+42\r\n%s\r\n0\r\n\r\n"],
    ['a size with _',         "4_2\r\n%s\r\n0\r\n\r\n"],
    ['a size of 2^64',        "10000000000000000\r\n%s\r\n0\r\n\r\n"],
    ['no size',               "\r\n%s\r\n0\r\n\r\n"],
    ['a negative size',       "-1\r\n%s\r\n0\r\n\r\n"],
    ['a chunk that is longer', "42\r\n%sxx\r\n0\r\n\r\n"],
) {
    my ($name, $chunks) = @$case;
    my $rid = Proctor::Test::rid();
    my ($r) = conversation("POST $base/ HTTP/1.1\r\nHost: gateway.test\r\n"
        . "Content-Type: application/json\r\n$auth\r\nX-Request-Id: $rid\r\n"
        . "Transfer-Encoding: chunked\r\n\r\n" . sprintf $chunks, $body);
    is scalar(my @got = $t->upstream($rid)), 0, "$name is not forwarded";
    ok !$r || $r->{status} == 400 || $r->{status} == 413, '... is refused'
        or diag $r->{head};
}

# what nginx reads leniently goes on strictly: one length, no extension
for my $case (
    ['an extension of a chunk', "%x;a=b\r\n%s\r\n0\r\n\r\n"],
    ['trailers', "%x\r\n%s\r\n0\r\nX-Proctor-Team: evil\r\nAuthorization: x\r\n\r\n"],
    ['bare LF', "%x\n%s\n0\n\n"],
) {
    my ($name, $chunks) = @$case;
    my $rid = Proctor::Test::rid();
    my ($r) = conversation("POST $base/ HTTP/1.1\r\nHost: gateway.test\r\n"
        . "Content-Type: application/json\r\n$auth\r\nX-Request-Id: $rid\r\n"
        . "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        . sprintf $chunks, length $body, $body);
    my @got = $t->upstream($rid);
    next unless ok @got <= 1, "$name: refused or re-framed";
    next unless @got;
    is $got[0]{body}, $body, '... with the same bytes';
    ok !$got[0]{chunked}, '... by length';
    unlike $got[0]{head}, qr/evil|Authorization: x/, '... without trailers';
}


# H17: an early answer does not read the body as the next request
for my $case (
    ['no key',        401, "POST $base/ HTTP/1.1\r\nHost: gateway.test\r\n"],
    ['a wrong path',  404, "POST $base/a/b/ HTTP/1.1\r\nHost: gateway.test\r\n$auth\r\n"],
    ['a wrong method', 405, "PUT $base/ HTTP/1.1\r\nHost: gateway.test\r\n$auth\r\n"],
    ['no right',      403, "POST $base/ HTTP/1.1\r\nHost: gateway.test\r\n"
        . join(': ', $t->authorization('viewer')) . "\r\n"],
    ['an override',   400, "POST $base/ HTTP/1.1\r\nHost: gateway.test\r\n$auth\r\n"
        . "X-HTTP-Method: GET\r\n"],
    ['no media type', 415, "POST $base/ HTTP/1.1\r\nHost: gateway.test\r\n$auth\r\n"],
    ['a fat GET',     400, "GET $base/ HTTP/1.1\r\nHost: gateway.test\r\n$auth\r\n"],
    ['a fat HEAD',    400, "HEAD $base/ HTTP/1.1\r\nHost: gateway.test\r\n$auth\r\n"],
    ['a bad expectation', 417, "POST $base/ HTTP/1.1\r\nHost: gateway.test\r\n$auth\r\n"
        . "Expect: x\r\n"],
) {
    my ($name, $status, $head) = @$case;

    for my $form (
        ['a length', 'Content-Length: ' . length($hidden), $hidden],
        ['chunks', 'Transfer-Encoding: chunked',
            sprintf "%x\r\n%s\r\n0\r\n\r\n", length $hidden, $hidden],
    ) {
        my ($how, $framing, $bytes) = @$form;
        my $rid = Proctor::Test::rid();
        my $conn = $t->connect;
        $conn->send("$head$framing\r\n\r\n$bytes"
            . $t->bytes(GET => "$base/", key => 'admin', rid => $rid));

        my $first = $conn->answer(method => $head =~ /\A(\w+)/);
        is $first->{status}, $status, "$name, $how: $status";

        my $second = $conn->answer;
        ok !$second || ($second->{status} == 200
                && $second->{headers}{'x-request-id'} eq $rid),
            '... then the next request, or nothing'
            or diag $second->{head};
        $conn->close;
    }
}
is scalar(my @smuggled = grep { $_->{target} =~ /smuggled/ } $t->sandbox->log),
    0, 'no hidden request was ever sent on';


# Expect: 100-continue
{
    my $conn = $t->connect;
    $conn->send($t->bytes(POST => "$base/", key => 'admin', rid => 'expect-1',
        headers => ['Expect', '100-continue', 'Content-Length', length $body,
            'Content-Type', 'application/json']));
    my $interim = $conn->head;
    is $interim->{status}, 100, '100 Continue is sent when the body is wanted';
    $conn->send($body);
    my $r = $conn->answer;
    is scalar(my @got = $t->upstream('expect-1')), 1, '... and then forwarded';
    $conn->close;

    $conn = $t->connect;
    $conn->send("POST $base/ HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        . "Content-Length: 10000\r\n\r\n");
    $r = $conn->head;
    is $r->{status}, 401, 'without a key the body is not asked for';
    $conn->close;
}


# H19: pipelined requests keep their order and their callers
{
    my @keys = qw(admin beta viewer new);
    my ($bytes, @rids) = ('');

    for my $i (0 .. 99) {
        my $rid = Proctor::Test::rid();
        push @rids, $rid;
        $bytes .= $t->bytes(GET => "$base/?n=$i", key => $keys[$i % 4],
            rid => $rid);
    }

    my $conn = $t->connect;
    $conn->send($bytes);
    my @wrong;

    for my $i (0 .. 99) {
        my $r = $conn->answer;
        push @wrong, $i if !$r || $r->{status} != 200
            || $r->{headers}{'x-request-id'} ne $rids[$i]
            || $t->audit($rids[$i])->{key} ne "k-$keys[$i % 4]";
    }
    ok !@wrong, '100 pipelined requests, four callers, in order'
        or diag "wrong: @wrong";
    $conn->close;
}


# H15: no other protocol is spoken through us
{
    my $r = $t->request(GET => "$base/", key => 'admin', headers => [
        'Upgrade', 'websocket', 'Connection', 'Upgrade, close',
        'Sec-WebSocket-Key', 'x', 'HTTP2-Settings', 'AAMAAABk']);
    my ($got) = $t->upstream($r);
    isnt $r->{status}, 101, 'no upgrade';
    unlike $got->{head}, qr/upgrade|http2-settings/i, '... and none asked for'
        if $got;

    for my $asked ([], ['Upgrade', 'x', 'Connection', 'Upgrade']) {
        $t->sandbox->behave({ raw => "HTTP/1.1 101 Switching Protocols\r\n"
            . "Upgrade: x\r\nConnection: Upgrade\r\n\r\nbytes" });
        my $conn = $t->connect;
        $conn->send($t->bytes(GET => "$base/", key => 'admin',
            headers => $asked));
        my $r = Proctor::Test::finish($conn->answer);
        is $r->{status}, 502, "an upstream's 101 is not passed on"
            or diag $r->{head};
        is ref $r->{json}, 'HASH', '... but an error in its place';
        $conn->send($t->bytes(GET => "$base/", key => 'admin'));
        $r = $conn->answer;
        is $r->{status}, 200, '... and no tunnel follows it';
        $conn->close;
    }
}


# one byte at a time
{
    my $conn = $t->connect;
    my $rid = Proctor::Test::rid();
    $conn->send($_) for split //, $t->bytes(POST => "$base/", key => 'admin',
        rid => $rid, body => $body);
    my $r = $conn->answer;
    my @got = $t->upstream($rid);
    is @got, 1, 'a request in single bytes';
    is $got[0]{body}, $body, '... is the same request';
    $conn->close;
}

$t->done;
