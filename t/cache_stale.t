use strict;
use warnings;

# Answers past their time: asked for anew with their own validators, used while
# that is done behind them, used when the upstream fails.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test::Cache;
use Proctor::Test::Wait qw(wait_until);
use Test::More;
use Time::HiRes qw(time);

my $redis = redis();
my $t = gateway($redis,
    teams => sub { $_[0]{accounts}{acme}{limits} = [{ limit => 500, per => '1h' }] },
    server => 'proxy_read_timeout 1s; error_page 500 502 504 /.oops;
        location = /.oops { return 200 oops; }');
my $serial = 0;

# a minute old when it comes, and never fresh
my @old = (Age => 60, ETag => '"v1"', 'Last-Modified' =>
    'Sun, 06 Nov 1994 08:49:37 GMT');


sub fresh_id { 's' . ++$serial }


# stores an answer of that age; returns the experiment
sub stored {
    my ($control, %headers) = @_;

    my $id = fresh_id();
    upstream($t, $id, headers => { @old, 'Cache-Control' => $control, %headers },
        json => { name => 'old' });
    is state(get($t, $id)), 'uri-miss', "$control:";
    wait_until('it to be stored', sub {
        $redis->command('EXISTS', "proctor:{acme}:gen:experiment:$id") });
    $t->sandbox->clear;
    return $id;
}


sub sent {
    my ($r, $name) = @_;

    my ($got) = $t->upstream($r);
    my @values = map { $_->[1] } grep { lc $_->[0] eq $name }
        @{ $got->{headers} };
    return "@values";
}


# the upstream has nothing new
{
    my $id = stored('max-age=10');
    upstream($t, $id, status => 304, body => '', json => undef,
        headers => { ETag => '"v1"', 'X-New' => 'yes',
            'Cache-Control' => 'max-age=100' });

    my $r = get($t, $id, headers => ['If-None-Match', '"client"']);
    is sent($r, 'if-none-match'), '"v1"', 'asked with the entry\'s tag';
    is sent($r, 'if-modified-since'), 'Sun, 06 Nov 1994 08:49:37 GMT',
        '... and its date';
    is "$r->{status} $r->{body}", '200 {"name":"old"}',
        'a 304 is answered with what is stored';
    like $r->{headers}{'cache-status'},
        qr/\Aproctor; fwd=stale; fwd-status=304; ttl=(99|100)\z/, '... and said';
    is $r->{headers}{'x-new'}, 'yes', '... with its fields';
    is $r->{headers}{age}, 0, '... and age';

    $r = get($t, $id);
    is state($r), 'hit', '... and fresh again';
    is $r->{headers}{'x-new'}, 'yes', '... with them';
    is counter($t, 'revalidated'), 1, '... and counted';
}

{
    my $id = stored('max-age=10');
    upstream($t, $id, status => 304, body => '', json => undef,
        headers => { ETag => '"v1"', 'Cache-Control' => 'max-age=100' });
    my $r = get($t, $id, headers => ['If-None-Match', '"x", W/"v1"']);
    is "$r->{status} $r->{body}", '304 ', 'a client that has it gets a 304';
}

{
    my $id = stored('max-age=10');
    upstream($t, $id, headers => { ETag => '"v2"' }, json => { name => 'new' });
    my $r = get($t, $id);
    is "$r->{status} $r->{body} " . state($r), '200 {"name":"new"} stale',
        'or it has something new';
    is get($t, $id)->{body}, '{"name":"new"}', '... which is stored';
}

{
    my $id = stored('max-age=10, no-cache');
    my $r = get($t, $id);
    is state($r), 'stale', 'no-cache is asked for each time';
    is sent($r, 'if-none-match'), '"v1"', '... with the tag';
}


# behind an answer
{
    my $id = stored('max-age=10, stale-while-revalidate=100');
    upstream($t, $id, hold => 'behind', json => { name => 'new' });

    my $r = get($t, $id);
    is "$r->{status} $r->{body}", '200 {"name":"old"}', 'stale, at once';
    like $r->{headers}{'cache-status'},
        qr/\Aproctor; hit; ttl=-5\d; detail=stale-while-revalidate\z/,
        '... and said';
    cmp_ok $r->{headers}{age}, '>=', 60, '... with its age';
    $t->sandbox->wait(held => 1);
    is get($t, $id)->{body}, '{"name":"old"}', 'also to the next';
    is $t->sandbox->stats->{held}, 1, '... for which nobody is asked again';

    $t->sandbox->release('behind');
    wait_until('the refresh', sub { get($t, $id)->{body} eq '{"name":"new"}' });
    like state(get($t, $id)), qr/hit/, '... and then it is fresh';
    is counter($t, 'refreshes'), 1, '... once';
}

{
    my $id = stored('max-age=10, stale-while-revalidate=100');
    upstream($t, $id, status => 304, body => '', json => undef,
        headers => { ETag => '"v1"', 'Cache-Control' => 'max-age=100' });
    get($t, $id);
    wait_until('a refresh by 304', sub {
        get($t, $id)->{headers}{'cache-status'} =~ /ttl=\d+\z/ });
    pass 'a refresh asks with the tag';
}

for my $case (
    ['fails', status => 500, json => {}],
    ['is cut', close => 'mid_body', json => { a => 'x' x 10_000 }],
    ['does not answer', close => 'before'],
    ['redirects', status => 302, json => {}, headers => { Location => '/x' }],
) {
    my ($what, %rule) = @$case;
    my $id = stored('max-age=10, stale-while-revalidate=100');
    upstream($t, $id, %rule);
    my $conn = $t->connect;
    my @said;
    for (1 .. 3) {
        $conn->send($t->bytes(GET => path($id), key => 'admin',
            rid => $t->rid));
        my $r = $conn->answer(method => 'GET');
        push @said, "$r->{status} $r->{body}" if $r;
    }
    $conn->close;
    is "@said", join(' ', ('200 {"name":"old"}') x 3),
        "a refresh that $what is nobody's trouble";
}


# when the upstream fails
for my $case (
    [500, status => 500, json => {}], [503, status => 503, json => {}],
    [502, close => 'before'], [504, hold => 'for ever'],
) {
    my ($status, %rule) = @$case;
    my $id = stored('max-age=10, stale-if-error=100');
    upstream($t, $id, %rule);
    my $r = get($t, $id);
    is "$r->{status} $r->{body}", '200 {"name":"old"}',
        "instead of $status what is stored";
    like $r->{headers}{'cache-status'}, qr/\Aproctor;\ fwd=stale;
        \ fwd-status=$status;\ ttl=-5\d;\ detail=stale-if-error\z/x,
        '... and said';
    is $r->{headers}{'content-type'}, 'application/json', '... with its type';
    my $record = $t->audit($r);
    is "$record->{decision} $record->{status}", 'allowed 200', '... audited';
    $t->sandbox->clear;
    $t->sandbox->release('for ever') if $status == 504;
}

{
    my $id = stored('max-age=10, stale-if-error=30');
    upstream($t, $id, status => 500, json => {});
    is get($t, $id)->{status}, 500, 'not after its time';
    $id = stored('max-age=10, stale-if-error=100, must-revalidate');
    upstream($t, $id, status => 500, json => {});
    is get($t, $id)->{status}, 500, 'not against must-revalidate';
    $id = stored('max-age=10, stale-while-revalidate=100, must-revalidate');
    is state(get($t, $id)), 'stale', '... nor while it is asked for';
}


# when the upstream wants to be left alone, or the account has spent its calls
{
    my $id = stored('max-age=10, stale-if-error=100');
    upstream($t, $id, status => 429, json => { retry_after => 2 },
        headers => { 'Retry-After' => 2 });
    my $r = get($t, $id);
    is "$r->{status} " . state($r), '200 stale', 'instead of 429';
    $r = get($t, $id);
    is "$r->{status} " . state($r), '200 hit', 'nor is the shut valve told';
    is calls($t, $r), 0, '... and the upstream is left alone';
    like $r->{headers}{'cache-status'}, qr/detail=stale-if-error/, '... as said';
    is get($t, 'never')->{status}, 429, 'what is not stored is refused';
    wait_until('the valve to open', sub { get($t, 'never')->{status} != 429 });

    $id = stored('max-age=10, stale-if-error=1000');
    wait_until('the account to be spent', sub {
        $t->request(GET => '/api/v2/experiments/?page=' . ++$serial,
            key => 'admin')->{status} == 429;
    }, 60);
    $r = get($t, $id);
    is "$r->{status} " . state($r), '200 hit', 'instead of a spent limit';
    is get($t, 'never2')->{status}, 429, '... which holds for others';
}


$t->done;
