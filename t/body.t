use strict;
use warnings;

# The body's verdict is the same however it arrives and wherever nginx keeps
# it, and what was judged is what is forwarded.

use Digest::SHA qw(sha256_hex);
use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Test::More;

my $base = '/api/v2/experiments';
my $head = '{"dataset_id":"d","workflow":[{"type":"t"}],"evaluator_ids":["e"]';


# A create of exactly so many bytes; the tail is what makes it right or wrong.
sub create {
    my ($size, $tail) = @_;

    my $body = $head . ',"description":"';
    my $end = '"' . ($tail // '') . '}';
    return $body . ('x' x ($size - length($body) - length $end)) . $end;
}


# The same bytes on different ways.
my @ways = (
    ['at once', sub { $_[0] }, sub { [$_[0]] }],
    ['head first', sub { $_[0] }, sub { ['', $_[0]] }],
    ['in two halves', sub { $_[0] }, sub {
        my $half = int(length($_[0]) / 2);
        [substr($_[0], 0, $half), substr $_[0], $half];
    }],
    ['in one chunk', sub { chunks($_[0], length $_[0]) }, undef],
    ['in chunks of 7', sub { chunks($_[0], 7) }, undef],
    ['in chunks of 1000', sub { chunks($_[0], 1000) }, undef],
);

sub chunks {
    my ($body, $size) = @_;

    return join '', (map { sprintf "%x\r\n%s\r\n", length, $_ }
        unpack "(a$size)*", $body), "0\r\n\r\n";
}


# Sends a create on one of the ways; Content-Length unless it is chunked.
sub send_body {
    my ($t, $body, $way, %more) = @_;

    my (undef, $encode, $cut) = @$way;
    my $rid = Proctor::Test::rid();
    my $conn = $t->connect;
    my @framing = $cut ? ('Content-Length', length $body)
        : ('Transfer-Encoding', 'chunked');

    $conn->send($t->bytes(POST => "$base/", key => 'admin', rid => $rid,
        headers => [@framing, 'Content-Type', 'application/json',
            'Connection', 'close', @{ $more{headers} || [] }]));
    $conn->send($_) for $cut ? @{ $cut->($body) } : $encode->($body);

    my $r = Proctor::Test::finish($conn->answer(method => 'POST'), $rid);
    $conn->close;
    return $r;
}


my @verdicts = (
    # name, tail, fine
    ['a right one', '', 1],
    ['a wrong type at its end', ',"concurrency":"x"', 0],
    ['a duplicate member at its end', ',"dataset_id":"d"', 0],
    ['bytes that are no UTF-8', qq(,"x":"\xff"), 0],
    ['bytes after its end', '}}', 0],
    ['a long integer', ',"x":123456789012345678901234567890', 1],
);

for my $buffer ('1k', '16k', '1m') {
    my $t = Proctor::Test->new(
        options => "client_body_buffer_size $buffer;"
            . 'client_max_body_size 2m;');

    for my $size (400, 1023, 1024, 1025, 16_383, 16_384, 16_385, 100_000) {
        for my $verdict (@verdicts) {
            my ($name, $tail, $fine) = @$verdict;
            my $body = create($size, $tail);
            my @wrong;

            for my $way (@ways) {
                next if $size > 20_000 && $way->[0] =~ / of 7/;
                my $r = send_body($t, $body, $way);
                my @got = $r ? $t->upstream($r) : ();
                my $good = $r && ($fine
                    ? @got == 1 && $got[0]{body} eq $body
                    : $r->{status} == 400 && !@got);
                push @wrong, "$way->[0]: " . ($r ? $r->{head} : 'no answer')
                    unless $good;
            }

            ok !@wrong, "buffer $buffer, $size bytes with $name, on all ways"
                or diag join "\n", @wrong;
        }
    }
    $t->stop;
}


# the limit is a limit, for both framings, and nothing over it is forwarded
{
    my $limit = 8192;
    my $t = Proctor::Test->new(options => "client_max_body_size $limit;"
        . 'client_body_buffer_size 1k;');

    for my $way (@ways) {
        my $r = send_body($t, create($limit), $way);
        $t->passes($r, "$limit bytes $way->[0] pass");
        $r = send_body($t, create($limit + 1), $way);
        $t->refuses($r, 413, ($limit + 1) . " bytes $way->[0]: 413");
    }

    my $r = $t->request(POST => "$base/", key => 'admin', headers => [
        'Content-Length', 1_000_000_000, 'Content-Type', 'application/json']);
    $t->refuses($r, 413, 'the announcement is enough');

    for my $way (@ways) {
        $t->refuses(send_body($t, '', $way), 400, "no byte, $way->[0]: 400");
        $t->refuses(send_body($t, ' ', $way), 400, "one byte, $way->[0]: 400");
    }
    $t->refuses($t->request(POST => "$base/", key => 'admin'), 400,
        'no body and no length: 400');
    $t->stop;
}


my $t = Proctor::Test->new;
my $right = create(300);

sub post {
    my ($body, @more) = @_;

    return $t->request(POST => "$base/", key => 'admin', body => $body, @more);
}


# what says that it is JSON, and what does not (H22, H23)
for my $type ('application/json', 'application/json; charset=utf-8',
    'application/json;charset=UTF-8', 'Application/JSON',
    'application/json; charset="utf-8"', 'application/json ;charset=utf-8') {
    $t->passes(post($right, headers => ['Content-Type', $type]), "'$type'");
}

for my $type ('text/plain', '', 'application/json; charset=utf-16',
    'application/json; charset=latin1', 'application/jsonx', 'json',
    'application/json/x', 'application/json;x="', 'application/x-json',
    'application/json, application/json', 'application/json, text/plain',
    'application/merge-patch+json', 'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x', "application/json\tx") {
    $t->refuses(post($right, headers => ['Content-Type', $type]), 415,
        "'$type': 415");
}

{
    my $rid = Proctor::Test::rid();
    my $r = $t->raw($t->bytes(POST => "$base/", key => 'admin', rid => $rid,
        bare => 1, body => $right, headers => [Host => 'x',
            'Content-Length' => length $right, Connection => 'close']));
    $t->refuses($r, 415, 'no type at all: 415');

    $r = post($right, headers => ['Content-Type', 'application/json',
        'Content-Type', 'text/plain']);
    ok $r->{status} == 415 || $r->{status} == 400, 'two types are refused'
        or diag $r->{line};
    is scalar(my @got = $t->upstream($r)), 0, '... and not forwarded';
}

for my $coding ('gzip', 'deflate', 'br', 'identity, gzip', 'x', 'GZIP') {
    $t->refuses(post($right, headers => ['Content-Encoding', $coding]), 415,
        "Content-Encoding $coding: 415");
}
$t->passes(post($right, headers => ['Content-Encoding', 'identity']),
    'Content-Encoding identity');


# J1, J3-J7: texts that parsers disagree about
sub with { my ($x) = @_; "$head,\"x\":$x}" }

for my $case (
    ['a duplicate member',           with('1,"x":2')],
    ['... deep inside',              with('[[{"a":{"b":1,"b":1}}]]')],
    ['... after unescaping',         with('{"a":1,"\u0061":2}')],
    ['... of the empty name',        with('{"":1,"":2}')],
    ['129 levels',                   with(('[' x 128) . (']' x 128))],
    ['100,000 levels',               ('[' x 100_000)],
    ['a lone surrogate',             with('"\ud800"')],
    ['a surrogate the wrong way',    with('"\udc00\ud800"')],
    ['an overlong sequence',         with(qq("\xc0\xaf"))],
    ['a surrogate in UTF-8',         with(qq("\xed\xa0\x80"))],
    ['a byte order mark',            "\xef\xbb\xbf" . with('1')],
    ['UTF-16',                       join '', map { "$_\0" } split //, with('1')],
    ['a second document',            with('1') . ' {}'],
    ['a comment',                    with('1/* */')],
    ['NaN',                          with('NaN')],
    ['Infinity',                     with('-Infinity')],
    ['a leading zero',               with('01')],
    ['a bare decimal point',         with('1.')],
    ['a trailing comma',             with('[1,]')],
    ['single quotes',                with(q('x'))],
    ['a control byte in a string',   with(qq("\x01"))],
    ['a NUL after the end',          with('1') . "\0"],
    ['a list',                       '[]'],
    ['a number',                     '1'],
    ['null',                         'null'],
    ['only space',                   "  \n"],
) {
    my ($name, $body) = @$case;
    $t->refuses(post($body), 400, "$name: 400");
}

for my $case (
    ['127 levels inside',     with(('[' x 127) . (']' x 127))],
    ['2^53 + 1',              with('9007199254740993')],
    ['400 digits',            with('1' x 400)],
    ['400 decimals',          with('0.' . '1' x 400)],
    ['minus zero',            with('-0')],
    ['1e400',                 with('1e400')],
    ['\u0000 in a string',    with('"a\u0000b"')],
    ['\u0000 in a name',      with('{"a\u0000b":1,"a":2}')],
    ['space everywhere',      "\t\r\n {$head" =~ s/\A(\s+)\{\{/$1\{/r . " }\n"],
    ['escapes of all sorts',  with('"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"')],
    ['a pair and UTF-8',      with(qq("\\ud83d\\ude00\xf0\x9f\x98\x80"))],
    ['10,000 members',        with('{' . join(',',
        map { qq("k$_":$_) } 1 .. 10_000) . '}')],
) {
    my ($name, $body) = @$case;
    my $r = post($body);
    $t->passes($r, "$name passes");
    my ($got) = $t->upstream($r);
    is $got->{body_sha256}, sha256_hex($body), '... byte for byte';

    my $record = $t->audit($r);
    is $record->{body_sha256}, sha256_hex($body), '... and its digest is kept';
}

$t->done;
