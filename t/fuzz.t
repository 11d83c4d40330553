use strict;
use warnings;

# Ten thousand mutated requests: no fault of ours, every refused one never
# reached the upstream, every accepted one arrived byte for byte.
#
# The same seed makes the same requests: PROCTOR_SEED, PROCTOR_FUZZ (how many).
# The oracle reads the bytes that were sent by itself and knows the contract
# only by its path templates.

use FindBin;
use JSON::PP;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Test::More;

my $count = $ENV{PROCTOR_FUZZ} // 10_000;
my $seed = $ENV{PROCTOR_SEED} // 20_240_607;
srand $seed;
note "seed $seed, $count requests";

# at level info nginx itself logs header lines that it finds malformed
my $t = Proctor::Test->new(log_level => 'notice',
    options => 'proxy_ignore_client_abort on;'
    . 'client_body_buffer_size 512; client_max_body_size 16k;');
my $json = JSON::PP->new->utf8->allow_nonref->allow_bignum->max_depth(200);
my $token = $t->teams->token('admin');
my %upstream = %{ $t->teams->{upstream} };

# the sandbox marks its answers, so that ours are known
$t->sandbox->behave({ times => 0, headers => { 'X-Sandbox' => '1' } });

# "METHOD template" of every operation, as patterns over paths
my @operations;
for my $contract (values %{ $t->contracts }) {
    for my $template (keys %{ $contract->{paths} }) {
        my $pattern = join '/', map {
            /\A\{/ ? "[A-Za-z0-9._~!\$&'()*+,=:\@-]+" : quotemeta
        } split m{/}, $template, -1;
        push @operations, map { [uc, qr/\A$pattern\z/] }
            grep { /\A(?:get|put|post|patch|delete)\z/ }
            keys %{ $contract->{paths}{$template} };
    }
}
cmp_ok @operations, '>=', 31, 'the operations of both contracts';

my $e = '/api/v2/experiments';
my $create = '{"dataset_id":"ds","workflow":[{"type":"completion","config":'
    . '{"model":"m","temperature":0.5}}],"evaluator_ids":["a","b"],"name":"n"}';
my $filter = '{"filters":{"status":{"operator":"in","value":["a","b"]}}}';
my $span = '{"details":{"agent_instance_id":"i","schema_name":"s","status":'
    . '"pending","payload":{"k":[1,2,{"x":null}]}},"idempotency_key":"0123456789"}';

my @corpus = (
    [GET => "$e/"], [GET => "$e/list/?page=1&page_size=20"],
    [GET => "$e/exp_1/"], [DELETE => "$e/exp_1/"], [HEAD => "$e/exp_1/"],
    [GET => "$e/exp_1/logs/list/?start_time=2024-01-01T00%3A00%3A00Z&detail=1"],
    [GET => "$e/exp_1/histogram/?evaluator_id=e%3Ag&bins=20"],
    [GET => '/api/v1/ping'], [GET => '/api/v1/agent_instance?agent_id=x'],
    [POST => "$e/", $create], [POST => "$e/list/", $filter],
    [PUT => "$e/exp_1/", '{"name":"other","description":null}'],
    [PATCH => "$e/exp_1/", '{"concurrency":3,"tags":[]}'],
    [PATCH => "$e/exp_1/logs/t1/",
        '{"input":null,"output":{"a":[1.5,"\u00e9"]},"metrics":{"c":1}}'],
    [POST => "$e/exp_1/logs/summary/", '{}'],
    [POST => '/api/v1/agent_spans', $span],
    [POST => '/api/v1/agent_spans/x1/finish',
        '{"status":"complete","timestamp":"2024-01-01T00:00:00Z"}'],
    [POST => "$e/", substr($create, 0, -1) . ',"x":"' . ('y' x 2000) . '"}'],
);

my @words = ("\0", "\r\n", "\n", "\r", ' ', "\t", '%', '%00', '%2e', '%2f',
    '%zz', '..', '/', '//', '/../', ';', '\\', '#', '?', '&', '=', '"', '{',
    '}', '[', ']', ',', ':', 'null', 'true', '1e999', '-0', '01', '1.', "\xff",
    "\xc0\xaf", "\xed\xa0\x80", "\xef\xbb\xbf", '\u0000', '\ud800', '\\"',
    "\x01", "\x7f", '9' x 40, 'a' x 300, '[' x 200, '{"a":' x 150,
    '"dataset_id":"x",', '"evaluator_workflow_ids":["w"],', 'page=1&',
    'page_size=0&', '_method=DELETE&', "X-HTTP-Method: GET\r\n",
    "Content-Length: 0\r\n", "Transfer-Encoding: chunked\r\n",
    "Content-Encoding: gzip\r\n", "Host: other\r\n", "Authorization: x\r\n",
    "Content-Type: text/plain\r\n", "X-Accel-Redirect: /x\r\n",
    "Expect: 100-continue\r\n", "Expect: x\r\n", "Connection: close\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 'HTTP/1.0', 'DELETE ', "0\r\n\r\n");


sub pick { $_[int rand @_] }

# A place in the bytes: mostly in one part, so that the others stay right.
sub place {
    my ($bytes) = @_;

    my $head = index $bytes, "\r\n\r\n";
    my $line = index $bytes, "\r\n";
    my $r = rand;

    return int rand $line if $r < 0.3;
    return $head + 4 + int rand(length($bytes) - $head - 3)
        if $r < 0.75 && $head >= 0 && length $bytes > $head + 4;
    return int rand(1 + length $bytes);
}

# A mutation: up to so many bytes at a place become what $with makes of them.
sub edit {
    my ($most, $with) = @_;

    return sub {
        my $at = place($_[0]);
        my $n = $most > 1 ? 1 + int rand $most : $most;
        substr $_[0], $at, $n, $with->(substr $_[0], $at, $n)
            if $at <= length $_[0];
    };
}

my @mutations = (
    edit(1, sub { chr int rand 256 }),
    edit(1, sub { chr(ord($_[0]) ^ 1 << int rand 8) }),
    edit(1, sub { $_[0] =~ tr/a-zA-Z/A-Za-z/r }),
    edit(0, sub { pick(@words) }),
    edit(0, sub { chr(32 + int rand 95) }),
    edit(6, sub { '' }),
    edit(8, sub { pick(@words) }),
    edit(40, sub { $_[0] x 2 }),
    sub { $_[0] =~ s/("[^"]*")/pick('null', '1', '[]', '{}', 'true', $1)/e },
    sub { $_[0] =~ s/(\d+)/pick($1, $1, 0, 100, 101, '1e2', -1, '007')/ge },
);

# The body is changed before it gets its length, the whole now and then after.
sub mutated {
    my ($rid) = @_;

    my ($method, $target, $body) = @{ pick(@corpus) };
    my $n = rand() < 0.15 ? 0 : 1 + int rand 3;

    if (defined $body && rand() < 0.6) {
        pick(@mutations)->($body) for 1 .. $n;
        $n = rand() < 0.2 ? 1 : 0;
    }

    my @headers = ('User-Agent', 'fuzz/1', 'Accept', '*/*',
        'X-Forwarded-User', 'forged');
    my $chunked = defined $body && rand() < 0.3;
    my $bytes;

    if ($chunked) {
        $bytes = $t->bytes($method, $target, key => 'admin', rid => $rid,
            headers => [@headers, 'Content-Type', 'application/json',
                'Transfer-Encoding', 'chunked']);
        my $size = 1 + int rand 200;
        $bytes .= sprintf "%x\r\n%s\r\n", length, $_
            for unpack "(a$size)*", $body;
        $bytes .= "0\r\n\r\n";
    }
    else {
        $bytes = $t->bytes($method, $target, key => 'admin', rid => $rid,
            headers => \@headers, body => $body);
    }

    pick(@mutations)->($bytes) for 1 .. $n;
    return $bytes;
}


# Everything the gateway said; undef where it said nothing at all.
sub converse {
    my ($bytes) = @_;

    my $conn = $t->connect;
    my $step = rand() < 0.1 ? 1 + int rand 400 : length $bytes;
    for (my $at = 0; $at < length $bytes; $at += $step) {
        $conn->send(substr $bytes, $at, $step) or last;
    }
    $conn->half_close;

    my @answers;
    my ($method) = $bytes =~ /\A(?:\r\n|\n)*([A-Z]+) /;
    while (my $answer = $conn->answer(method => @answers ? '' : $method)) {
        push @answers, $answer;
        last if $answer->{closed};
    }
    $conn->close;
    return @answers;
}


# The bodies that a reader of the sent bytes can find in them.
sub body_was_sent {
    my ($bytes, $body) = @_;

    return 1 if $body eq '' || index($bytes, $body) >= 0;

    # without the lines between chunks
    (my $whole = $bytes) =~ s/\r?\n[0-9a-fA-F]+[ \t]*(?:;[^\r\n]*)?\r?\n//g;
    return index($whole, $body) >= 0
        || index($bytes =~ s/\A.*?\r?\n\r?\n//sr, substr $body, 0, 1) >= 0
        && index(dechunked($bytes), $body) >= 0;
}

sub dechunked {
    my ($bytes) = @_;

    $bytes =~ s/\A.*?\n\r?\n//s;
    my $body = '';
    while ($bytes =~ s/\A([0-9a-fA-F]+)[^\n]*\n//) {
        $body .= substr $bytes, 0, hex $1, '';
        $bytes =~ s/\A\r?\n//;
    }
    return $body;
}


# What is wrong with a record at the sandbox, given the bytes that were sent.
sub astray {
    my ($got, $bytes) = @_;

    my ($path) = split /\?/, $got->{target}, 2;
    my $method = $got->{method} eq 'HEAD' ? 'GET' : $got->{method};
    my $key = $path =~ m{\A/api/v1/} ? $upstream{prefactor} : $upstream{respan};
    my @keys = map { $_->[1] } grep { lc $_->[0] eq 'authorization' }
        @{ $got->{headers} };

    return "fault $got->{fault}" if $got->{fault};
    return "no operation: $got->{method} $path"
        unless grep { $_->[0] eq $method && $path =~ $_->[1] } @operations;
    return 'another target'
        if index($bytes, $got->{target}) < 0;
    return 'another method' if index($bytes, $got->{method}) < 0;
    return "keys: @keys" if "@keys" ne "Bearer $key";
    return 'the caller key' if index($got->{head}, $token) >= 0;
    return 'a forged header' if $got->{head} =~ /^X-(?:Forwarded|Accel)-/mi;
    return 'an override' if $got->{head} =~ /^X-(?:HTTP-)?Method/mi
        || $got->{target} =~ /[?&](?:_|%5f)method=/i;
    return 'a control byte' if $got->{head} =~ /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/;
    return 'another body' unless body_was_sent($bytes, $got->{body});
    return 'a body where none belongs'
        if $got->{body} ne '' && $method =~ /\A(?:GET|DELETE)\z/;

    return if $got->{body} eq '';
    my $value = eval { $json->decode($got->{body}) };
    return "no JSON: $got->{body}" unless defined $value;
    return 'no object' unless ref $value eq 'HASH';

    return "no create: $got->{body}"
        if $method eq 'POST' && $path eq "$e/"
        && (ref $value->{workflow} ne 'ARRAY' || !@{ $value->{workflow} }
            || !defined $value->{dataset_id} || ref $value->{dataset_id});
    return 'no resume'
        if $method eq 'PATCH' && $path =~ /logs/
        && !(exists $value->{input} && exists $value->{output});
    return;
}


# What a request without a version (HTTP/0.9) is told: an error's body alone.
sub bare {
    my ($answer) = @_;

    my $value = $answer->{status} == 0 && eval { $json->decode($answer->{body}) };
    return ref $value eq 'HASH' && defined($value->{detail} // $value->{message});
}


my (%statuses, @wrong);
my ($passed, $refused, $silent) = (0, 0, 0);
my $seen = () = $t->sandbox->log;

for my $i (1 .. $count) {
    my $bytes = mutated("fuzz-$i");
    my @answers = eval { converse($bytes) };
    my $why = $@;

    my @log = $t->sandbox->log;
    my @got = @log[$seen .. $#log];
    $seen = @log;

    my @theirs = grep { $_->{headers}{'x-sandbox'} } @answers;
    my @ours = grep { !$_->{headers}{'x-sandbox'} } @answers;
    $statuses{ $_->{status} }++ for @answers;

    $why ||= 'forwarded ' . @got . ' of ' . @theirs . ' answered'
        if @got != @theirs;

    for my $answer (@ours) {
        my $status = $answer->{status};
        $why ||= "a $status of our own" if $status >= 500
            && $status != 501 && $status != 505;
        $why ||= "a $status of our own is no refusal"
            if $status < 400 && !bare($answer);
    }
    $why ||= astray($_, $bytes) for @got;

    push @wrong, [$i, $why, $bytes] if $why;
    @theirs ? $passed++ : @ours ? $refused++ : $silent++;
    last if @wrong >= 10;
}

ok !@wrong, "$count mutated requests"
    or diag join "\n", map {
        my ($i, $why, $bytes) = @$_;
        $bytes =~ s/([^\x20-\x7e\n])/sprintf '\\x%02x', ord $1/ge;
        "--- $i: $why", substr($bytes, 0, 1500);
    } @wrong;

note "passed $passed, refused $refused, unanswered $silent; ", join ' ',
    map { "$_: $statuses{$_}" } sort keys %statuses;

# the oracle saw enough of both kinds to mean something
cmp_ok $passed, '>', $count / 8, 'many passed';
cmp_ok $refused, '>', $count / 8, 'many were refused';

is $t->request(GET => "$e/", key => 'admin')->{status}, 200,
    'the gateway is well';

$t->done;
