use strict;
use warnings;

# The bytes that a client of HTTP/2 can send and one of HTTP/1.1 cannot, and
# those that both can: one verdict for a request, whichever way it came (H28).
# http2.t speaks through curl, which would not send most of these.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::Http2;
use Proctor::Test::Wait qw(free_ports);
use Test::More;

my $base = '/api/v2/experiments';
my ($second) = free_ports(1);

# at level info nginx itself logs header lines that it finds malformed
my $t = Proctor::Test->new(log_level => 'notice',
    http => sub { <<"EOT" });
    server {
        listen 127.0.0.1:$_[0]{port};
        listen 127.0.0.1:$second http2;
        server_name one.test;
        location / {
            proctor respan;
            client_max_body_size 64k;
            client_body_buffer_size 1k;
            proxy_pass http://sandbox;
        }
    }
EOT

my $create = '{"dataset_id":"d","evaluator_ids":["e"],"workflow":[{"type":"t"}]}';
my $respan = $t->teams->{upstream}{respan};
my $h2;

sub name { $_[0] =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ger }


# One request on a connection that is kept as long as the server keeps it; the
# answer has rid, and got: what the upstream received of it.
sub ask {
    my ($method, $path, %args) = @_;

    my $rid = Proctor::Test::rid();
    my $key = exists $args{key} ? $args{key} : 'admin';
    my $pseudo = $args{pseudo} // [':method', $method, ':scheme', 'http',
        ':path', $path, ':authority', 'one.test'];
    my @fields = (@$pseudo, 'x-request-id', $rid,
        $key ? ('authorization', 'Bearer ' . $t->teams->token($key)) : (),
        @{ $args{fields} || [] });
    push @fields, 'content-type', 'application/json'
        if defined $args{body} && !$args{bare};

    $h2 //= Proctor::Test::Http2->new(port => $second);
    my $r = $h2->request(\@fields, %args);
    if (defined $r->{gone}) {
        $h2->close;
        undef $h2;
    }

    $r->{rid} = $rid;
    $r->{got} = [$t->upstream($rid)];
    return $r;
}


# The same in HTTP/1.1; 0: the connection was closed without an answer.
sub ask1 {
    my ($method, $path, %args) = @_;

    my $r = $t->request($method, $path, key => 'admin', host => 'one.test',
        headers => $args{fields}, body => $args{body});
    return { status => $r ? $r->{status} : 0, got => [$t->upstream($r)] };
}

sub refused {
    my ($r, $name) = @_;

    ok !@{ $r->{got} }, "$name is not forwarded";
    ok $r->{status} >= 400 && $r->{status} < 500
        || $r->{status} == 501 || $r->{status} == 0, '... and is refused'
        or diag explain $r;
}


# P1-P17 and what else may stand in a target: as in HTTP/1.1
for my $path (
    "$base/", "$base/?page=1", "$base/x/?", "$base/x/../y/", "$base/%2e%2e/x/",
    "$base/x/%2E%2e/y/", "$base/.%2e/x/", "$base/./", "$base/a%2fb/",
    "$base/a%5cb/", "$base/%252e%252e/", "$base/a;b=c/", "$base/..;/x/",
    "$base//", "$base/x//logs/y/", '/api//v2/experiments/x/',
    '/%61pi/v2/experiments/x/', "$base/x%20/", "$base/x%00/", "$base/x%0d%0a/",
    "$base/x\\y/", "$base/x\xef\xbc\x8fy/", "$base/x\xc0\xae/", "$base/x\xe9/",
    "$base/x#fragment", "$base/x/#fragment", "$base/x%zz/", "$base/x%/",
    "$base/x|y/", "$base/{x}/", "$base/1.json", "$base/x/1.css",
    "${base}X/", "$base/X/LOGS/list/", '/API/v2/experiments/',
    "$base?page=1", "$base/?page=0", "$base/?page=1&page=1",
    "$base/?page=007", "$base/?page=%2B1", "$base/?page=9223372036854775808",
    "$base/?%70age=1", "$base/?_method=PUT", "$base/?x=%zz", "$base/?x=%01",
    "$base/?page=1#x", "$base/?=x&&", "$base/?x=\xff",
    "$base/" . ('x' x 9000) . '/',
) {
    my $one = ask1(GET => $path);
    my $two = ask(GET => $path);
    my $same = @{ $one->{got} } == @{ $two->{got} }
        && ($one->{status} == $two->{status}
            || !@{ $two->{got} } && $two->{status} == 0);
    ok $same, name(substr $path, 0, 60) . ": $one->{status} both ways"
        or diag explain [$one->{status}, $two->{status}, $two->{got}];
    is $two->{got}[0]{target}, $one->{got}[0]{target}, '... the same target'
        if @{ $one->{got} };
}

# what no HTTP/1.1 request line can hold
for my $path ('', '*', 'x', "http://evil.test$base/", "//evil.test$base/",
    "$base/ /", "$base/\t/", "$base/\r\nX-A: b/", "$base/\n/", "$base/\0/",
    "$base/x/ HTTP/1.1\r\nHost: x\r\n\r\nGET $base/smuggled/",
    "$base/?x=\r\nX-A: b", "$base/?x= y", "$base/?x=\0", "$base/\x7f/",
    "?x=$base/", "#$base/") {
    refused(ask(GET => $path), 'the path "' . name($path) . '"');
}


# pseudo-fields
my %fine = (':method', 'GET', ':scheme', 'http', ':path', "$base/",
    ':authority', 'one.test');
for my $case (
    ['two methods', [%fine, ':method', 'DELETE']],
    ['two paths', [%fine, ':path', "$base/x/"]],
    ['two schemes', [%fine, ':scheme', 'https']],
    ['two authorities', [%fine, ':authority', 'evil.test']],
    ['no path', [':method', 'GET', ':scheme', 'http']],
    ['no method', [':path', "$base/", ':scheme', 'http']],
    ['no host', [':method', 'GET', ':scheme', 'http', ':path', "$base/"]],
    ['an unknown one', [%fine, ':protocol', 'websocket']],
    ['a status', [%fine, ':status', '200']],
    ['a method with a space', [%fine, ':method', 'GET /x HTTP/1.1']],
    ['CONNECT', [%fine, ':method', 'CONNECT']],
    ['TRACE', [%fine, ':method', 'TRACE']],
    ['get', [%fine, ':method', 'get']],
    ['DELETE_', [%fine, ':method', 'DELETE_']],
    ['an authority with a path', [%fine, ':authority', 'one.test/x']],
    ['an authority with a CR', [%fine, ':authority', "x\r\nX-A: b"]],
    ['a scheme with a CR', [%fine, ':scheme', "http\r\nX-A: b"]],
) {
    my ($name, $pseudo) = @$case;
    if ($name !~ /\Atwo/) {
        my %seen = @$pseudo;    # of a name that stands alone, the last
        $pseudo = [map { ($_, $seen{$_}) } sort keys %seen];
    }
    refused(ask(GET => "$base/", pseudo => $pseudo), $name);
}


# fields that are not those of HTTP/2, or are ours to judge
for my $case (
    ['a host beside the authority', ['host', 'evil.test']],
    ['two credentials', ['authorization', 'Bearer x']],
    ['a method override', ['x-http-method-override', 'DELETE']],
    ['a control byte', ['x-any', "a\x01b"]],
    ['a line break', ['x-any', "a\r\nx-team: evil"]],
    ['a bare LF', ['x-any', "a\nx-team: evil"]],
    ['a NUL', ['x-any', "a\0b"]],
    ['another expectation', ['expect', 'x']],
    ['a line break in a name', ["x-any: a\r\nx-team", 'evil']],
    ['a hundred more', [map { ("x-$_", 'v') } 1 .. 120]],
) {
    my ($name, $fields) = @$case;
    refused(ask(GET => "$base/", fields => $fields), $name);
}

for my $case (
    ['an upper-case name', ['X-Team', 'evil']],
    ['an upper-case credential', ['X-Api-Key', 'evil']],
    ['an empty name', ['', 'evil']],
    ['a name with a space', ['x team', 'evil']],
    ['a name with a colon', ['x:team', 'evil']],
    ['an underscore', ['x_forwarded_user', 'evil']],
    ['Connection', ['connection', 'authorization, evil']],
    ['Keep-Alive', ['keep-alive', 'evil']],
    ['TE', ['te', 'trailers, evil']],
    ['Upgrade', ['upgrade', 'evil']],
    ['HTTP2-Settings', ['http2-settings', 'evil']],
    ['cookie crumbs', ['cookie', 'a=evil', 'cookie', 'b=evil']],
    ['identities', ['x-forwarded-user', 'evil', 'x-proctor-team', 'evil']],
    ['X-Accel', ['x-accel-redirect', '/evil']],
) {
    my ($name, $fields) = @$case;
    my $r = ask(GET => "$base/", fields => $fields);
    my ($got) = @{ $r->{got} };

    if (!$got) {
        refused($r, $name);
        next;
    }
    unlike $got->{head}, qr/evil/, "$name does not reach the upstream";
    is_deeply [Proctor::Test::Sandbox::values_of($got, 'Authorization')],
        ["Bearer $respan"], '... the one credential does';
}


# bodies: their length is what came, or nothing happens
for my $case (
    ['a shorter one than promised', [POST => "$base/", body => $create,
        fields => ['content-length', 1 + length $create]]],
    ['a longer one', [POST => "$base/", body => "$create  ",
        fields => ['content-length', length $create]]],
    ['two lengths', [POST => "$base/", body => $create,
        fields => ['content-length', length $create, 'content-length', 3]]],
    ['a length that is none', [POST => "$base/", body => $create,
        fields => ['content-length', '+' . length $create]]],
    ['a coding', [POST => "$base/", body => $create,
        fields => ['content-encoding', 'gzip']]],
    ['two types', [POST => "$base/", body => $create,
        fields => ['content-type', 'text/plain']]],
    ['a duplicate member', [POST => "$base/", body => '{"a":1,"a":1}']],
    ['a fat GET', [GET => "$base/", body => '{}']],
    ['a fat GET that never ends', [GET => "$base/", body => '{}', open => 1]],
    ['a GET that is not ended', [GET => "$base/", open => 1]],
    ['a fat DELETE', [DELETE => "$base/x/", body => '{}']],
    ['one over the limit', [POST => "$base/", body => ' ' x 65_537]],
) {
    my ($name, $call) = @$case;
    refused(ask(@$call), $name);
}

for my $size (1, 10, 1000, 1024, 5000, 60_000) {
    for my $pieces (1 + int($size / 50), 16_384) {
        my $body = substr($create, 0, -1) . ',"x":"' . ('y' x $size) . '"}';
        my $r = ask(POST => "$base/", body => $body, pieces => $pieces,
            $size % 2 ? (fields => ['content-length', length $body]) : ());
        is scalar @{ $r->{got} }, 1, "$size bytes more, $pieces a frame";
        is $r->{got}[0]{body}, $body, '... arrive as they were';
        ok !$r->{got}[0]{chunked}, '... by length';
    }
}

{
    my $r = ask(POST => "$base/", body => $create, fields => [
        'transfer-encoding', 'chunked']);
    my ($got) = @{ $r->{got} };
    $got ? is($got->{body}, $create, 'Transfer-Encoding means nothing here')
         : refused($r, 'Transfer-Encoding');

    $r = ask(POST => "$base/", body => $create,
        trailers => ['x-team', 'evil', 'authorization', 'evil']);
    ($got) = @{ $r->{got} };
    $got ? unlike($got->{head}, qr/evil/, 'trailers are no fields')
         : refused($r, 'a request with trailers');

    $r = ask(GET => "$base/", key => undef);
    is $r->{status}, 401, 'without a key: 401';
    ok !@{ $r->{got} }, '... and not forwarded';
}


# one connection, many streams, callers that take turns
{
    my $c = Proctor::Test::Http2->new(port => $second);
    my @wrong;

    for my $i (0 .. 49) {
        my $key = (qw(admin beta viewer new))[$i % 4];
        my $rid = Proctor::Test::rid();
        my $r = $c->request([%fine, 'x-request-id', $rid,
            'authorization', 'Bearer ' . $t->teams->token($key)]);
        push @wrong, "$i: $r->{status}" if $r->{status} != 200
            || $t->audit($rid)->{key} ne "k-$key";
    }
    ok !@wrong, 'callers do not mix on one connection' or diag "@wrong";
    $c->close;
}

is scalar(my @smuggled = grep { $_->{target} =~ /smuggled/
    || $_->{head} =~ /^x-(?:a|team):/mi } $t->sandbox->log), 0,
    'nothing hidden was ever sent on';

$h2->close if $h2;
$t->done;
