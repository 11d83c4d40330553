use strict;
use warnings;

# Reads answered from Redis: what is kept, for whom, for how long, and what a
# stored answer looks like.

use FindBin;
use MIME::Base64 qw(encode_base64);
use lib "$FindBin::Bin/lib";
use Proctor::Test::Cache;
use Proctor::Test::Wait qw(wait_until);
use Test::More;

my $redis = redis();
my $t = gateway($redis,
    teams => sub {
        my ($data, $teams) = @_;
        $data->{accounts}{other} = {
            %{ $data->{accounts}{acme} },
        };
        $data->{teams}{gamma} = {
            accounts => { respan => 'other' },
            keys => [$teams->key('gamma', rights => ['read'])],
        };
        $data->{teams}{alpha}{quotas}
            = [{ name => 'calls', limit => 100000, per => '1m' }];
    },
    options => 'add_header X-Word $proctor_cache always;',
    locations => <<'EOT',
        location /api/v2/experiments/off/ {
            proctor respan;
            proctor_cache off;
            proxy_pass http://sandbox;
        }
EOT
);


# Two requests one after the other: what the second one is told.
sub twice {
    my ($id, %args) = @_;

    my $first = get($t, $id, %args);
    my $second = get($t, $id, %args);
    return state($second);
}


my $serial = 0;
sub fresh_id { 'e' . ++$serial }


# a hit
{
    upstream($t, 'first', headers => { 'X-Own' => 'one' });
    my $miss = get($t, 'first');
    my $hit = get($t, 'first');

    is $miss->{headers}{'cache-status'}, 'proctor; fwd=uri-miss; stored',
        'a miss is stored';
    like $hit->{headers}{'cache-status'}, qr/\Aproctor; hit; ttl=(59|60)\z/,
        'then it is a hit';
    is calls($t, $miss), 1, 'the upstream was asked once';
    is calls($t, $hit), 0, '... and only then';
    is $hit->{body}, $miss->{body}, 'the same bytes';
    is $hit->{headers}{'content-type'}, $miss->{headers}{'content-type'},
        '... of the same type';
    is $hit->{headers}{'x-own'}, 'one', '... with its fields';
    like $hit->{headers}{age}, qr/\A[01]\z/, 'an age';
    is scalar(my @dates = grep { lc $_->[0] eq 'date' } @{ $hit->{list} }), 1,
        'one date';
    is scalar(my @ids = grep { lc $_->[0] eq 'x-request-id' }
        @{ $hit->{list} }), 1, 'its own request id';
    isnt $hit->{rid}, $miss->{rid}, '... which is another';
    like $hit->{headers}{ratelimit}, qr/"calls"/, 'counted by the quota';
    is $miss->{headers}{'x-word'}, 'miss', '$proctor_cache of a miss';
    is $hit->{headers}{'x-word'}, 'hit', '... and of a hit';

    my $record = $t->audit($hit);
    is "$record->{decision} $record->{status}", 'allowed 200',
        'a hit is audited';
    is $record->{cache}, 'hit', '... as a hit';
    is $record->{upstream_status}, undef, '... as one that was not forwarded';

    is $t->request(GET => path('first'))->{status}, 401,
        'a stored answer needs a key';
    is $t->request(GET => path('first') . '?x[]=', key => 'late')->{status},
        401, '... that is valid';
    is state(get($t, 'first', key => 'viewer')), 'hit',
        'another key of the team gets it';
    is state(get($t, 'first', key => 'beta')), 'hit',
        'another team of the account, too';
    is state(get($t, 'first', key => 'gamma')), 'uri-miss',
        'another account does not';
    is state(get($t, 'first', key => 'gamma')), 'hit', '... it has its own';

    my @names = @{ $redis->command('KEYS', '*') };
    is join(' ', grep { $redis->command('PTTL', $_) < 0 } @names), '',
        'every key has a time to live';
    is join(' ', grep { !/\Aproctor:\{(acme|other|alpha)\}:/ } @names), '',
        '... and a place of its own';
}


# validators, ranges, HEAD
{
    my $id = fresh_id();
    upstream($t, $id, headers => { ETag => '"v1"',
        'Last-Modified' => 'Sun, 06 Nov 1994 08:49:37 GMT' });
    my $miss = get($t, $id);

    my $r = get($t, $id, headers => ['If-None-Match', '"v1"']);
    is "$r->{status} " . state($r), '304 hit', 'If-None-Match that matches';
    is $r->{body}, '', '... without a body';
    is $r->{headers}{etag}, '"v1"', '... with its tag';
    is get($t, $id, headers => ['If-None-Match', 'W/"v0", "v1"'])->{status},
        304, '... in a list';
    is get($t, $id, headers => ['If-None-Match', '"v2"'])->{status}, 200,
        '... another does not';
    is get($t, $id, headers =>
        ['If-Modified-Since', 'Sun, 06 Nov 1994 08:49:37 GMT'])->{status},
        304, 'If-Modified-Since';

    $r = get($t, $id, method => 'HEAD');
    is "$r->{status} " . state($r), '200 hit', 'HEAD from a stored GET';
    is $r->{headers}{'content-length'}, length $miss->{body},
        '... with its length';
    is $r->{body}, '', '... without its body';

    $r = get($t, $id, headers => ['Range', 'bytes=0-3']);
    is $r->{status}, 206, 'a range of a stored answer';
    is $r->{body}, substr($miss->{body}, 0, 4), '... is that';

    my $hits = counter($t, 'hits');
    $r = get($t, $id, headers => ['Range', 'bytes=999999-']);
    is $r->{status}, 416, 'a range that is not in it';
    is scalar(grep { lc $_->[0] eq 'cache-status' } @{ $r->{list} }), 1,
        '... is said to be a hit once';
    is counter($t, 'hits'), $hits + 1, '... and counted once';

    $id = fresh_id();
    upstream($t, $id);
    $r = get($t, $id);
    $r = get($t, $id);
    my $etag = $r->{headers}{etag};
    like $etag, qr/\A"[^"]+"\z/, 'an answer without a tag gets one';
    is get($t, $id, headers => ['If-None-Match', $etag])->{status}, 304,
        '... by which it can be asked for';
    is state(get($t, $id, headers => ['If-Match', '"x"'])), 'bypass',
        'If-Match is for the upstream';
}


# what does not reach the upstream on a miss, since others get the answer
{
    my $id = fresh_id();
    upstream($t, $id);
    my $r = get($t, $id, headers => [
        'If-None-Match', '"x"', 'If-Modified-Since',
        'Sun, 06 Nov 1994 08:49:37 GMT', 'Range', 'bytes=0-1', 'If-Range',
        '"x"', 'Accept-Encoding', 'gzip', 'Accept', 'text/x-own',
        'Accept-Language', 'xx', 'X-Forwarded-Host', 'evil', 'Forwarded',
        'host=evil', 'X-Original-URL', '/x', 'X-Rewrite-URL', '/x', 'Cookie',
        'a=b', 'X-Kept', 'yes']);
    is "$r->{status} " . length $r->{body},
        '200 ' . $r->{headers}{'content-length'}, 'a miss gets all of it';
    my ($got) = $t->upstream($r);
    my %names = map { lc $_->[0] => $_->[1] } @{ $got->{headers} };
    is join(' ', grep { exists $names{$_} } qw(if-none-match if-modified-since
        range if-range accept accept-language x-forwarded-host forwarded
        x-original-url x-rewrite-url cookie)), '',
        'conditions, ranges and origins stay here';
    is $names{'accept-encoding'}, 'identity', '... and so does gzip';
    is $names{'x-kept'}, 'yes', 'other fields pass';
    is state(get($t, $id)), 'hit', '... and it is stored';
}


# what may be kept
for my $case (
    ['nothing said', 'hit'],
    ['max-age', 'hit', { 'Cache-Control' => 'max-age=100' }],
    ['s-maxage beats max-age', 'hit',
        { 'Cache-Control' => 's-maxage=100, max-age=0' }],
    ['Expires', 'hit', { Expires => 'Fri, 01 Jan 2100 00:00:00 GMT' }],
    ['max-age=0', 'uri-miss', { 'Cache-Control' => 'max-age=0' }],
    ['an age over max-age', 'uri-miss',
        { 'Cache-Control' => 'max-age=100', Age => 101 }],
    ['Expires in the past', 'uri-miss', { Expires => '0' }],
    ['no-store', 'uri-miss', { 'Cache-Control' => 'no-store' }],
    ['private', 'uri-miss', { 'Cache-Control' => 'private, max-age=100' }],
    ['no-cache', 'uri-miss', { 'Cache-Control' => 'no-cache' }],
    ['Set-Cookie', 'uri-miss',
        { 'Set-Cookie' => 'a=b', 'Cache-Control' => 'max-age=100' }],
    ['Vary: *', 'uri-miss', { Vary => '*' }],
    ['a coding that nobody asked for', 'uri-miss',
        { 'Content-Encoding' => 'x-own' }],
    ['a huge max-age', 'hit', { 'Cache-Control' => 'max-age=99999999999' }],
    ['a negative max-age', 'uri-miss', { 'Cache-Control' => 'max-age=-1' }],
) {
    my ($what, $state, $headers) = @$case;
    my $id = fresh_id();
    upstream($t, $id, headers => $headers || {});
    is twice($id), $state, $what;
}

for my $case (
    [200, '', 'hit'], [404, '', 'uri-miss'], [404, 'max-age=100', 'hit'],
    [500, 'max-age=100', 'uri-miss'], [206, 'max-age=100', 'uri-miss'],
    [429, 'max-age=100', ''], [302, 'max-age=100', 'uri-miss'],
    [204, 'max-age=100', 'hit'],
) {
    my ($status, $control, $state) = @$case;
    my $id = fresh_id();
    upstream($t, $id, status => $status, json => { status => 'x' },
        headers => { $control ? ('Cache-Control' => $control) : (),
            $status == 429 ? ('Retry-After' => 0) : (),
            $status == 302 ? (Location => '/x') : (),
            $status == 206 ? ('Content-Range' => 'bytes 0-1/9') : () });
    is twice($id), $state, "status $status" . ($control && " with $control");
    wait_until('the valve to open again', sub {
        get($t, fresh_id())->{status} != 429 }) if $status == 429;
}


# the contract's own times
{
    my $id = fresh_id();
    upstream($t, $id, json => { status => 'completed' });
    get($t, $id);
    like get($t, $id)->{headers}{'cache-status'}, qr/ttl=(600|599)\z/,
        'ttl_when';
    $id = fresh_id();
    upstream($t, $id, json => { status => 'completed' },
        headers => { 'Cache-Control' => 'max-age=5' });
    get($t, $id);
    like get($t, $id)->{headers}{'cache-status'}, qr/ttl=[345]\z/,
        'the upstream\'s own word comes first';
}


# Vary
{
    my $id = fresh_id();
    upstream($t, $id, headers => { Vary => 'X-Kind, Accept-Encoding' });
    get($t, $id, headers => ['X-Kind', 'a']);
    is state(get($t, $id, headers => ['X-Kind', 'a'])), 'hit', 'the same kind';
    is state(get($t, $id, headers => ['X-Kind', 'b'])), 'vary-miss', 'another';
    is state(get($t, $id)), 'vary-miss', 'none';
    is state(get($t, $id, headers => ['X-Kind', 'a', 'X-Kind', 'a'])),
        'vary-miss', 'two';
}


# one key for each question
{
    my $id = fresh_id();
    my $list = '/api/v2/experiments/';
    my $ask = sub { state($t->request(GET => "$list$_[0]", key => 'admin')) };
    $ask->('?page=2&page_size=3');
    is $ask->('?page_size=3&page=2'), 'hit', 'the order of parameters';
    is $ask->('?page=%32&page_size=3'), 'hit', '... and their escapes';
    is $ask->('?page=2&page_size=4'), 'uri-miss', 'not their values';
    is $ask->('?page=2'), 'uri-miss', 'not their number';

    my $host = sub {
        state($t->request(GET => $list, key => 'admin', host => $_[0]));
    };
    $host->('one.test');
    is $host->('one.test'), 'hit', 'links of one origin';
    is $host->('two.test'), 'uri-miss', '... are not those of another';
}


# reads by POST
{
    my $list = '/api/v2/experiments/list/';
    my $ask = sub {
        return $t->request(POST => $list, key => 'admin',
            headers => ['Content-Type', 'application/json'], body => $_[0]);
    };
    my $miss = $ask->('{"page": 1, "page_size": 10}');
    is "$miss->{status} " . state($miss), '200 uri-miss', 'a read by POST'
        or diag $miss->{body};
    my $hit = $ask->('{"page_size":10,"page":1}');
    is state($hit), 'hit', '... is stored by what it asks';
    is $hit->{body}, $miss->{body}, '... with its body';
    is calls($t, $hit), 0, '... not forwarded';
    is state($ask->('{"page": 2, "page_size": 10}')), 'uri-miss',
        '... and not by more';

    my $conn = $t->connect;
    my $bytes = $t->bytes(POST => $list, key => 'admin', rid => $t->rid,
        body => '{"page_size":10,"page":1}');
    $conn->send($bytes . $bytes);
    my @both = map { $conn->answer(method => 'POST') } 1, 2;
    is join(' ', map { $_->{status} . ' ' . state($_) } @both),
        '200 hit 200 hit', 'its body is read before the next request';
    $conn->close;
}


# what the client may ask of a cache
{
    my $id = fresh_id();
    my $told = sub {
        return get($t, $id, headers => ['Cache-Control', $_[0]]);
    };
    upstream($t, $id);
    is $told->('only-if-cached')->{status}, 504, 'only-if-cached, and it is not';
    is state($told->('no-store')), 'bypass', 'no-store';
    is state(get($t, $id)), 'uri-miss', '... stores nothing';
    is state($told->('only-if-cached')), 'hit', 'only-if-cached, and it is';
    is state($told->('no-cache')), 'request', 'no-cache asks the upstream';
    is state(get($t, $id, headers => ['Pragma', 'no-cache'])), 'request',
        'Pragma, too';
    is state($told->('max-age=50')), 'hit', 'a max-age that is met';
    # an answer is that old only when a millisecond has gone by
    ok eval { wait_until('an age', sub {
        state($told->('max-age=0')) eq 'request' }) }, '... that is not';
    is state($told->('min-fresh=500')), 'request', 'min-fresh';
}


# fields that are the connection's
{
    my $id = fresh_id();
    upstream($t, $id, headers => [
        ['Connection', 'X-Hop'], ['X-Hop', 'secret'], ['X-Request-Id', 'theirs'],
        ['X-Accel-Other', 'x'], ['RateLimit', '"x";r=1'], ['Trailer', 'X-T'],
    ]);
    get($t, $id);
    my $hit = get($t, $id);
    is state($hit), 'hit', 'with fields of the connection';
    is join(' ', grep { exists $hit->{headers}{$_} }
        qw(x-hop x-accel-other trailer)), '', '... which are not kept';
    isnt $hit->{rid}, 'theirs', '... nor an id';
    unlike $hit->{headers}{ratelimit} // '', qr/"x"/, '... nor a limit';
}


# an upstream without a clock
{
    my $id = fresh_id();
    upstream($t, $id, raw_b64 => encode_base64(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            . "Content-Length: 2\r\n\r\n{}", ''));
    get($t, $id);
    my $hit = get($t, $id);
    is state($hit), 'hit', 'an answer without a date is stored';
    like $hit->{headers}{date}, qr/\A\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT\z/,
        '... with the date on which it came';
}


# answers that are not whole
for my $case (
    ['cut in the body', close => 'mid_body', json => { a => 'x' x 1000 }],
    ['cut in a chunk', close => 'mid_body', chunked => \1,
        json => { a => 'x' x 1000 }],
    ['reset', close => 'mid_body', json => { a => 'x' x 100_000 }],
    ['without a length', raw_b64 =>
        'SFRUUC8xLjEgMjAwIE9LDQpDb250ZW50LVR5cGU6IGFwcGxpY2F0aW9uL2pzb24NCg0K'
        . 'eyJhIjoxfQ=='],
    ['over a megabyte', json => { a => 'x' x 1_100_000 }],
) {
    my ($what, %rule) = @$case;
    my $id = fresh_id();
    my %before = map { $_ => 1 } entries($redis);
    upstream($t, $id, %rule);
    get($t, $id);
    is state(get($t, $id)), 'uri-miss', "$what: not stored";
    is scalar(grep { !$before{$_} } entries($redis)), 0, '... nowhere';
}

for my $case (['in chunks', chunked => \1], ['large', json =>
        { a => 'x' x 500_000 }], ['empty', body => '']) {
    my ($what, %rule) = @$case;
    my $id = fresh_id();
    upstream($t, $id, status => 200, %rule);
    my $first = get($t, $id);
    my $second = get($t, $id);
    is state($second), 'hit', "$what: stored";
    ok $second->{body} eq $first->{body}, '... as it was';
}


# switched off, and calls that are never stored
{
    my $r = $t->request(GET => '/api/v2/experiments/off/', key => 'admin');
    $r = $t->request(GET => '/api/v2/experiments/off/', key => 'admin');
    is state($r), '', 'proctor_cache off';
    is calls($t, $r), 1, '... is off';
    is state($t->request(PATCH => path('off2'), key => 'admin',
        json => { name => 'x' })), 'method', 'a write is none of the cache\'s';
    is state($t->request(GET => '/api/v1/ping', key => 'admin')), 'bypass',
        'an operation without a rule';
}


# a client that leaves while the answer comes
{
    my $id = fresh_id();
    upstream($t, $id, json => { a => 'x' x 300_000 },
        pace => { bytes => 30_000, every => 0.05 });
    my $conn = $t->connect;
    $conn->send($t->bytes(GET => path($id), key => 'admin', rid => $t->rid));
    $conn->head;
    $conn->reset;
    my $r = get($t, $id);
    isnt state($r), 'hit', 'what a client left is not stored';
    is length $r->{body}, 300_008, '... and the next one gets all';
    is state(get($t, $id)), 'hit', '... which is stored';
}

{
    my $counters = counters($t);
    cmp_ok $counters->{$_}, '>', 0, "$_ are counted"
        for qw(hits misses stores bypassed);
}

$t->done;
