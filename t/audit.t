use strict;
use warnings;

# One line for each call: who, what, and how it ended; whatever a client sends,
# it stays one line.

use Digest::SHA qw(sha256_hex);
use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Test::More;
use Time::HiRes qw(time);

my $base = '/api/v2/experiments';
my $t = Proctor::Test->new(options => 'client_max_body_size 64k;');


# a call that passes
{
    my $begin = time;
    my $body = '{"input":null,"output":{"a":1}}';
    my $r = $t->request(PATCH => "$base/exp_1/logs/tr_1/?detail=1",
        key => 'admin', body => $body);
    my $record = $t->audit($r);

    my %want = (
        v => 1, kind => 'outcome', result => 'refused', rid => $r->{rid}, contract => 'respan',
        operation => 'trace.resume', team => 'alpha', key => 'k-admin',
        actor => 'admin@example.com', account => 'acme',
        client => '127.0.0.1', method => 'PATCH',
        path => "$base/exp_1/logs/tr_1/", query => 'detail=1',
        body_sha256 => sha256_hex($body), decision => 'allowed',
        status => $r->{status}, upstream_status => $r->{status},
    );
    is $record->{$_}, $want{$_}, "$_ is $want{$_}" for sort keys %want;
    is_deeply $record->{targets},
        { experiment_id => 'exp_1', log_id => 'tr_1' }, 'the targets';
    ok !defined $record->{reason} || $record->{reason} eq '', 'no reason';

    my ($lengths) = grep { /body.*len|len.*body|body_bytes/ } keys %$record;
    is $record->{ $lengths // 'body_len' }, length $body, 'the length';
    like $record->{time}, qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z\z/, 'the time';
    my @times = grep { /us\z|ms\z|duration|upstream_time/ } keys %$record;
    ok @times >= 2, 'how long it took, in all and at the upstream'
        or diag explain $record;
}

# a read without a body
{
    my $r = $t->request(GET => "$base/", key => 'viewer');
    my $record = $t->audit($r);
    is $record->{decision}, 'allowed', 'a read is allowed';
    is $record->{key}, 'k-viewer', '... by the key that asked';
    ok !exists $record->{body_sha256}, '... has no digest';
    ok !exists $record->{query}, '... and no query';
}


# calls that are refused
for my $case (
    ['no key',     [GET => "$base/"], 401, 'no_key'],
    ['a wrong key', [GET => "$base/", token => 'x'], 401, 'bad_key'],
    ['an old key', [GET => "$base/", key => 'late'], 401, 'expired_key'],
    ['no right',   [DELETE => "$base/e/", key => 'viewer'], 403, 'no_right'],
    ['no path',    [GET => "$base/e/f/", key => 'admin'], 404, 'no_path'],
    ['a bad path', [GET => "$base/%41/", key => 'admin'], 400, 'bad_path'],
    ['no method',  [PUT => "$base/", key => 'admin'], 405, 'bad_method'],
    ['bad input',  [GET => "$base/?page=0", key => 'admin'], 400, 'bad_input'],
    ['no JSON',    [POST => "$base/", key => 'admin', body => '{'], 400,
        'bad_json'],
    ['no type',    [POST => "$base/", key => 'admin', body => '{}',
        headers => ['Content-Type', 'text/plain']], 415, 'bad_media_type'],
    ['too much',   [POST => "$base/", key => 'admin', body => 'x' x 65_537],
        413, 'http_413'],
) {
    my ($name, $call, $status, $reason) = @$case;
    my $r = $t->request(@$call);
    my @records = $t->audit($r);
    is @records, 1, "$name: one record";
    my $record = $records[0];
    is $record->{decision}, 'refused', '... refused';
    is $record->{reason}, $reason, "... for $reason";
    is $record->{status}, $status, "... with $status";
    is $record->{detail}, $r->{json}{detail}, '... and what the client was told';
    ok !$record->{upstream_status}, '... without the upstream';
    is $record->{method}, $call->[0], '... by its method';
}

{
    my $r = $t->request(GET => "$base/", key => 'late');
    my $record = $t->audit($r);
    is $record->{key}, 'k-late', 'an expired key is known by its id';
    is $record->{team}, 'alpha', '... and its team';

    $r = $t->request(GET => "$base/", token => 'x');
    ok !exists $t->audit($r)->{team}, 'a stranger has no team';
}


# the upstream's part
{
    $t->sandbox->behave({ status => 404, json => { detail => 'gone' } });
    my $r = $t->request(GET => "$base/x/", key => 'admin');
    my $record = $t->audit($r);
    is "$record->{decision} $record->{status} $record->{upstream_status}",
        'allowed 404 404', "an upstream's 404 is an allowed call";

    # nginx may try a second time, when it had used the connection before
    $t->sandbox->behave({ close => 'before', times => 0 });
    $r = $t->request(DELETE => "$base/x/", key => 'admin');
    $t->sandbox->clear;
    $record = $t->audit($r);
    is $record->{decision}, 'allowed', 'a call the upstream broke off';
    is $record->{status}, 502, '... is a 502';
}


# what clients send is data: one line each, ASCII, valid JSON
{
    my $before = () = $t->audit_lines;
    my @rids;

    for my $query ('a"b', 'a\\b', "a\xff\xfeb", "a\xe2\x80\xa8b", 'a%0ab',
        'a%22,"team":"evil"', '<script>', "a\tb", '%', "\x{7f}",
        'x' x 3000, "\xff" x 1500, '"' x 3000, '\\' x 3000) {
        my $rid = Proctor::Test::rid();
        push @rids, $rid;
        my $r = $t->raw($t->bytes(GET => "$base/?$query", key => 'admin',
            rid => $rid, headers => ['User-Agent', "x\"\\\xff\t{}"]));

        # nginx itself refuses a tab before it knows of any API: no call
        pop @rids if ref $r->{json} eq 'HASH' && $r->{json}{message};
    }

    for my $rid (@rids) {
        my @records = $t->audit($rid);
        is @records, 1, "one record of $rid";
        is $records[0]{team}, 'alpha', '... of the team that asked';
    }

    my @lines = $t->audit_lines;
    is @lines - $before, @rids, 'as many lines as calls';
    my @bad = grep { !/\A\{[\x20-\x7e]*\}\n\z/ } @lines;
    is @bad, 0, 'each is printable ASCII' or diag $bad[0];
    my @long = grep { length > 4096 } @lines;
    is @long, 0, '... and at most 4096 bytes';
    my @cut = grep { /"trunc"/ } @lines;
    ok @cut >= 2, '... with what was cut named';
}

# targets are data too
{
    my $r = $t->request(GET => "$base/" . ('x' x 3000) . '/', key => 'admin');
    my $record = $t->audit($r);
    ok exists $record->{targets}{experiment_id}, 'a long target is kept, cut';
    is $record->{team}, 'alpha', '... with the rest of the record';
}


# no line is lost or torn by several workers
{
    my $many = Proctor::Test->new(workers => 4);
    my @conns = map { $many->connect } 1 .. 16;
    my %sent;

    for my $round (1 .. 25) {
        for my $conn (@conns) {
            my $rid = Proctor::Test::rid();
            $sent{$rid} = 1;
            $conn->send($many->bytes(GET => "$base/?x=" . ('y' x 500),
                key => 'admin', rid => $rid));
        }
        $_->answer for @conns;
    }
    $_->close for @conns;

    $many->audit($_) for keys %sent;
    my @lines = $many->audit_lines;
    is @lines, 1 + keys %sent, 'as many lines as calls, and that of the file';
    is scalar(grep { !/\A\{.*\}\n\z/ } @lines), 0, 'none is torn';
    $many->stop;
}


# the file is reopened by USR1
{
    my $file = $t->home . '/audit.jsonl';
    my $first = $t->request(GET => "$base/", key => 'admin');
    $t->audit($first);
    rename $file, "$file.1";
    $t->nginx->signal('USR1');
    Proctor::Test::Wait::wait_until('the new file', sub { -e $file });
    $t->{audit}{offset} = 0;

    my $second;
    Proctor::Test::Wait::wait_until('a record in it', sub {
        $second = $t->request(GET => "$base/", key => 'admin');
        Proctor::Test::Wait::wait_until('a record', sub {
            grep { /\Q$second->{rid}\E"/ } $t->audit_lines,
                split /^/m, Proctor::Test::Wait::slurp("$file.1");
        });
        return grep { /\Q$second->{rid}\E"/ } $t->audit_lines;
    });
    pass 'records go to the new file after USR1';
}

$t->done;
