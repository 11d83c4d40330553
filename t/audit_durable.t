use strict;
use warnings;

# Nothing happens unaudited, nothing succeeds silently: the intent is in the
# file before the upstream gets a byte, the outcome before the client does, and
# of each there is exactly one, however the call ends.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::Trail;
use Proctor::Test::Wait qw(slurp wait_until);
use Test::More;

my $base = '/api/v2/experiments';
my $ok = { status => 200, json => { id => 'exp_1' } };

# two servers, the same sandbox behind both, and leave to try the second
my $t = Proctor::Test::Trail::fixture(
    http => sub {
        my $port = $_[0]->sandbox->port;
        return "upstream twice {\n"
            . "    server 127.0.0.1:$port max_fails=0;\n" x 2 . "}\n";
    },
    options => 'proxy_next_upstream error timeout http_500 non_idempotent;'
        . 'proxy_read_timeout 1s; client_max_body_size 64k;',
    locations => <<'EOT',
        location /api/v2/experiments/again/ {
            proctor respan;
            error_page 502 = /api/v2/experiments/other/;
            proxy_pass http://twice;
        }
        location /api/v2/experiments/twice/ {
            proctor respan;
            proxy_next_upstream error timeout http_500 non_idempotent;
            proxy_pass http://twice;
        }
EOT
    contract => sub {
        my ($name, $data) = @_;
        return if $name ne 'respan';
        my $paths = $data->{paths};
        $paths->{"$base/{experiment_id}/"}{patch}{'x-proctor'}{audit} =
            { durable => JSON::PP::true, level => 'body', redact => ['/name'] };
        $paths->{"$base/list/"}{get}{'x-proctor'}{audit} = 'none';
    },
    teams => sub {
        my ($data, $teams) = @_;
        push @{ $data->{teams}{alpha}{keys} },
            $teams->key('robot', on_behalf_of => JSON::PP::true);
    },
);


# Records of one request that are in the file right now.
sub now {
    my ($r) = @_;

    my $rid = ref $r ? $r->{rid} : $r;
    return grep { ($_->{rid} // '') eq $rid } Proctor::Test::Trail::records($t);
}


sub kinds { join ' ', map { $_->{kind} } @_ }


# the order
{
    $t->sandbox->behave({ %$ok, hold => 'held' });
    my $conn = $t->connect;
    my $rid = Proctor::Test::rid();
    $conn->send($t->bytes(DELETE => "$base/e/", key => 'admin', rid => $rid));
    $t->sandbox->wait(held => 1);

    my @held = now($rid);
    is kinds(@held), 'intent', 'the upstream is asked when the intent is there';
    is $held[0]{decision}, 'allowed', '... of an allowed call';
    is $held[0]{team}, 'alpha', '... by whom';
    is $held[0]{targets}{experiment_id}, 'e', '... on what';
    ok !exists $held[0]{status}, '... not yet with a status';

    $t->sandbox->release('held');
    is $conn->answer->{status}, 200, 'its answer comes';
    my @told = now($rid);
    is kinds(@told), 'intent outcome', '... when the outcome is there';
    is $told[1]{id}, $told[0]{id}, '... of the same id';
    is "$told[1]{result} $told[1]{status} $told[1]{upstream_status}",
        'ok 200 200', '... and what it was';
    $conn->close;
}


# every refusal: one record, no intent
for my $case (
    ['a right', [DELETE => "$base/e/", key => 'viewer'], 403, 'no_right'],
    ['its input', [POST => "$base/", key => 'admin', body => '{}'], 400,
        'bad_input'],
    ['its JSON', [POST => "$base/", key => 'admin', body => '{'], 400,
        'bad_json'],
    ['a body', [DELETE => "$base/e/", key => 'admin', body => 'x'], 400,
        'fat_request'],
    ['its type', [PATCH => "$base/e/", key => 'admin', body => '{}',
        headers => ['Content-Type', 'text/plain']], 415, 'bad_media_type'],
) {
    my ($name, $call, $status, $reason) = @$case;
    my $r = $t->request(@$call);
    $t->refuses($r, $status, "refused for $name");
    $t->audit($r);
    my @records = now($r);
    is kinds(@records), 'denied', '... is denied, once';
    is "$records[0]{decision} $records[0]{reason} $records[0]{status}",
        "refused $reason $status", '... for that';
}

# who it is that is refused is not always known, nor what
for my $token ('x', undef) {
    my $r = $t->request(DELETE => "$base/e/", $token ? (token => $token) : ());
    is $r->{status}, 401, 'a stranger is refused';
    $t->audit($r);
    is kinds(now($r)), 'call', '... before the operation is known';
}

{
    my $r = $t->request(GET => "$base/", key => 'admin');
    $t->audit($r);
    is kinds(now($r)), 'call', 'a read is one record';
}


# how it ends
for my $case (
    ['a refusal', { status => 409, json => { detail => 'no' } }, 409,
        'refused'],
    ['an error', { status => 500, body => 'x' }, 500, 'upstream_error'],
    ['a redirect', { status => 302, headers => { Location => '/' } }, 502,
        'upstream_error'],
    ['a refused key', { status => 401, json => { detail => 'no' } }, 502,
        'refused'],
    ['no HTTP', { raw => "junk\r\n\r\n" }, 502, 'upstream_error'],
    ['nothing', { close => 'before' }, 502, 'upstream_error'],
    ['silence', { hold => 'silence' }, 504, 'timeout'],
    ['a body cut off', { %$ok, close => 'mid_body' }, 200, 'ok'],
) {
    my ($name, $rule, $status, $result) = @$case;
    $t->sandbox->behave($rule);
    my $r = $t->request(DELETE => "$base/e/", key => 'admin');
    $t->sandbox->release('silence') if $rule->{hold};
    is $r->{status}, $status, "$name is $status";
    my @records = now($r);
    is kinds(@records), 'intent outcome', '... with one outcome';
    is "$records[1]{result} $records[1]{status}", "$result $status",
        "... $result";
    is scalar($t->upstream($r)), 1, '... asked once';
}


# no second try, whatever the configuration says; reads have theirs
for my $failures (0, 1, 2) {
    for my $how ({ close => 'before' }, { status => 500, body => '' }) {
        for my $method ('DELETE', 'PATCH', 'GET') {
            $t->sandbox->clear;
            $t->sandbox->behave({ %$how, times => $failures }) if $failures;
            $t->sandbox->behave({ %$ok, times => 0 });
            my $r = $t->request($method => "$base/twice/", key => 'admin',
                $method eq 'PATCH' ? (body => '{"name":"x"}') : ());
            my $n = () = $t->upstream($r);
            my $name = "$method after $failures failures";

            if ($method eq 'GET') {
                is $n, $failures < 2 ? $failures + 1 : 2, "$name: tried again";
                next;
            }
            is $n, 1, "$name: asked once";
            is $r->{status} == 200, !$failures, '... and told what came of it';
            is scalar(grep { $_->{kind} eq 'outcome' } now($r)), 1,
                '... with one outcome';
        }
    }
}
$t->sandbox->clear;

# also on a connection that the upstream has closed meanwhile
for my $round (1 .. 3) {
    $t->sandbox->behave({ %$ok });
    $t->request(GET => "$base/e/", key => 'admin');
    $t->sandbox->behave({ close => 'before', times => 2 });
    my $r = $t->request(DELETE => "$base/e/", key => 'admin');
    is scalar(my @n = $t->upstream($r)), 1, 'a kept connection that breaks';
    $t->sandbox->clear;
}

# nor by an error page
{
    $t->sandbox->behave({ close => 'before' });
    my $r = $t->request(DELETE => "$base/again/", key => 'admin');
    is scalar(my @n = $t->upstream($r)), 1, 'an error page asks nobody again';
    cmp_ok $r->{status}, '>=', 500, '... and the client knows';
    my @records = now($r);
    is kinds(@records), 'intent outcome', '... with one outcome';
    $t->sandbox->clear;
}


# a client that leaves while the upstream is asked: it is asked to the end
for my $how ('close', 'reset') {
    for my $call ([DELETE => "$base/e/"],
        [PATCH => "$base/e/", body => '{"name":"x"}']) {
        $t->sandbox->behave({ %$ok, hold => 'left' });
        my $rid = Proctor::Test::rid();
        my $conn = $t->connect;
        $conn->send($t->bytes(@$call, key => 'admin', rid => $rid));
        $t->sandbox->wait(held => 1);
        $how eq 'reset' ? $conn->reset : $conn->close;
        is kinds(now($rid)), 'intent', "$how: its outcome is not known yet";
        $t->sandbox->release('left');
        my $record = $t->audit($rid);
        is "$record->{result} $record->{upstream_status}", 'ok 200',
            '... and is what the upstream says';
        is kinds(now($rid)), 'intent outcome', '... once';
    }
}


# what is written of it
{
    $t->sandbox->behave({ %$ok, times => 0 });
    my $r = $t->request(PATCH => "$base/e/", key => 'admin',
        body => '{"name":"secret","description":"d"}');
    my ($intent) = now($r);
    is $intent->{body}, '{"name":"[redacted]","description":"d"}',
        'a body, without what is nobody\'s business';
    ok $intent->{body_sha256}, '... and the digest of all of it';

    $r = $t->request(GET => "$base/list/", key => 'admin');
    my $later = $t->request(GET => "$base/", key => 'admin');
    $t->audit($later);
    is scalar(now($r)), 0, 'nothing of what nobody wants';

    for my $key ('robot', 'admin') {
        my $r = $t->request(DELETE => "$base/e/", key => $key,
            headers => ['X-Proctor-On-Behalf-Of', 'ann"@example.com']);
        my ($intent) = now($r);
        is $intent->{claimed}, $key eq 'robot' ? 'ann"@example.com' : undef,
            "on whose behalf, when $key says so";
        my ($got) = $t->upstream($r);
        is scalar(Proctor::Test::Sandbox::values_of($got,
            'X-Proctor-On-Behalf-Of')), 0, '... which the upstream never hears';
    }
    $t->sandbox->clear;
}


# what it created
for my $case (
    [{ json => { id => 'exp_new' } }, 'exp_new'],
    [{ json => { id => 'exp_new' }, chunked => JSON::PP::true }, 'exp_new'],
    [{ json => { details => { id => 'd_1' } } }, 'd_1'],
    [{ json => { id => 7 } }], [{ body => '{"id":' }], [{ body => '' }],
) {
    my ($rule, $id) = @$case;
    $t->sandbox->behave({ status => 201, %$rule });
    my $r = $t->request(POST => "$base/", key => 'admin', json => {
        dataset_id => 'd', workflow => [{ type => 't' }],
        evaluator_ids => ['e'] });
    is $r->{status}, 201, 'created';
    my (undef, $outcome) = now($r);

    # only what came with the header can be known
    ok !defined $outcome->{created} || $outcome->{created} eq ($id // ''),
        '... ' . ($outcome->{created} // 'nothing that is named');
}


# many at once share what the disk costs, and none is lost
{
    $t->sandbox->behave({ %$ok, times => 0 });
    my (@conns, @rids);
    for (1 .. 60) {
        my $conn = $t->connect;
        push @rids, my $rid = Proctor::Test::rid();
        $conn->send($t->bytes(DELETE => "$base/e/", key => 'admin',
            rid => $rid));
        push @conns, $conn;
    }
    my %status;
    $status{ $_->answer->{status} }++ for @conns;
    is_deeply \%status, { 200 => 60 }, 'sixty at once';
    $_->close for @conns;
    is_deeply [Proctor::Test::Trail::faults($t, sent => \@rids,
        told => \@rids)], [], '... all written down';
    $t->sandbox->clear;
}


# the trail is sealed, and whoever asks gets the newest checkpoint
{
    my ($status, $text) = Proctor::Test::Trail::whole($t);
    is $status, 0, 'the trail is whole' or diag $text;

    my $r = $t->request(GET => '/checkpoint', bare => 1,
        headers => ['Host', 'gateway.test', 'Connection', 'close']);
    is $r->{status}, 200, 'its checkpoint is there for the asking';
    like $r->{headers}{'content-type'}, qr{\Atext/plain}, '... as text';
    like $r->{body}, qr{\Agw\.test/[0-9a-f]{32}\n\d+\n}, '... of this gateway';
    like slurp($t->home . '/audit.jsonl.checkpoints'), qr/\Q$r->{body}\E/,
        '... and in the file';
    ok $t->nginx->log_lines(qr{\[notice\].*checkpoint gw\.test/}),
        '... and in the error log';
    my $post = $t->request(POST => '/checkpoint', body => 'x');
    is $post->{status}, 405, '... which is only read';
}

$t->done;
