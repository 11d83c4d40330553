use strict;
use warnings;

# fsync=always: an answer to a durable operation leaves when its outcome is on
# disk, not before; nobody else waits for that, and it is the answer that it
# would have been, however it comes.

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Select;
use Proctor::Test;
use Proctor::Test::Strace;
use Proctor::Test::Trail;
use Proctor::Test::Wait qw(wait_until);
use Test::More;
use Time::HiRes qw(time);

my $base = '/api/v2/experiments';
my $untraced = Proctor::Test::Strace::missing();
my $slow = $ENV{ASAN_OPTIONS} ? 4 : 1;
my $ok = { status => 200, json => { id => 'exp_1' }, times => 0 };


sub fixture {
    my (%args) = @_;

    my $t = Proctor::Test::Trail::fixture(
        trail => $args{fsync} eq 'none' ? '' : "fsync=$args{fsync} timeout=20s",
        audit => $args{fsync} ne 'none', listen => $args{listen},
        locations => <<'EOT',
        location /api/v2/experiments/straight/ {
            proctor respan;
            proxy_buffering off;
            proxy_pass http://sandbox;
        }
        location /api/v2/experiments/zipped/ {
            proctor respan;
            gzip on;
            gzip_min_length 1;
            gzip_types application/json;
            proxy_pass http://sandbox;
        }
EOT
        main => $args{main},
        contract => sub {
            my ($name, $data) = @_;
            return if $name ne 'respan';
            my $get = $data->{paths}{"$base/{experiment_id}/"}{get};
            $get->{'x-proctor'}{audit} = 'durable';
        });
    push @{ $t->nginx->{expected} },
        qr/proctor audit: .* failed|is a new file: abandoned/;
    $t->sandbox->behave($ok);
    return $t;
}


# Begins a call that the sandbox holds, of which the intent is on disk.
sub held {
    my ($t, @call) = @_;

    $t->sandbox->clear;
    $t->sandbox->behave({ %$ok, hold => 'here',
        match => { path => '/held/' } });
    $t->sandbox->behave($ok);
    my $rid = Proctor::Test::rid();
    my $conn = $t->connect;
    $conn->send($t->bytes(DELETE => "$base/held/", key => 'admin',
        rid => $rid));
    $t->sandbox->wait(held => 1);
    return ($conn, $rid);
}


sub outcomes {
    my ($t, $rid) = @_;

    return grep { $_->{kind} eq 'outcome' && ($_->{rid} // '') eq $rid }
        Proctor::Test::Trail::records($t);
}


# A disk that takes its time for the outcome.
SKIP: {
    skip $untraced, 1 if $untraced;

    my $t = fixture(fsync => 'always');
    my ($worker) = $t->nginx->workers;
    my @trace = ($worker, '-e', 'trace=fdatasync', '-e');

    my ($conn, $rid) = held($t);
    my $s = Proctor::Test::Strace->new(@trace,
        'inject=fdatasync:delay_enter=1500000');
    $t->sandbox->release('here');
    wait_until('the outcome', sub { outcomes($t, $rid) });
    my $came = IO::Select->new($conn->{socket})->can_read(0);

    my @took;
    for (1 .. 20) {
        my $begin = time;
        $t->request(GET => "$base/list/", key => 'admin');
        push @took, time - $begin;
    }
    @took = sort { $a <=> $b } @took;
    is $came, undef, 'an outcome in the file: its answer waits for the disk';
    cmp_ok $took[-2], '<', 0.25 * $slow, '... nobody else does';
    is $conn->answer->{status}, 200, '... and comes';
    $conn->close;
    $s->stop;

    # its client leaves meanwhile
    ($conn, $rid) = held($t);
    $s = Proctor::Test::Strace->new(@trace,
        'inject=fdatasync:delay_enter=500000');
    $t->sandbox->release('here');
    wait_until('the outcome', sub { outcomes($t, $rid) });
    $conn->reset;
    is $t->request(DELETE => "$base/e/", key => 'admin')->{status}, 200,
        'a client that left is not waited for';
    is scalar(outcomes($t, $rid)), 1, '... one outcome';
    $s->stop;

    # the worker is to end
    ($conn, $rid) = held($t);
    $s = Proctor::Test::Strace->new(@trace,
        'inject=fdatasync:delay_enter=500000');
    $t->sandbox->release('here');
    wait_until('the outcome', sub { outcomes($t, $rid) });
    $t->nginx->signal('HUP');
    is $conn->answer->{status}, 200, 'a worker that is to end ends after it';
    $conn->close;
    $s->stop;
    wait_until('another worker', sub {
        my @workers = $t->nginx->workers;
        return @workers == 1 && $workers[0] != $worker;
    });

    # FILE is moved while it is under way
    ($worker) = $t->nginx->workers;
    ($conn, $rid) = held($t);
    $s = Proctor::Test::Strace->new($worker, '-e', 'trace=fdatasync', '-e',
        'inject=fdatasync:delay_enter=500000');
    $t->sandbox->release('here');
    wait_until('the outcome', sub { outcomes($t, $rid) });
    rename $t->{trail}, "$t->{trail}.1";
    is $t->request(DELETE => "$base/e/", key => 'admin')->{status}, 200,
        'a file that is moved meanwhile';
    is $conn->answer->{status}, 200, '... the answers of both come';
    $conn->close;
    $s->stop;

    # the disk fails
    for my $case ([200, 502], [409, 409]) {
        my ($said, $told) = @$case;
        $t->sandbox->clear;
        $t->sandbox->behave({ %$ok, status => $said, hold => 'here' });
        my $conn = $t->connect;
        my $rid = Proctor::Test::rid();
        $conn->send($t->bytes(DELETE => "$base/e/", key => 'admin',
            rid => $rid));
        $t->sandbox->wait(held => 1);
        my $s = Proctor::Test::Strace->new($worker, '-e', 'trace=fdatasync',
            '-e', 'inject=fdatasync:error=EIO');
        $t->sandbox->release('here');
        my $r = Proctor::Test::finish($conn->answer, $rid);
        $conn->close;
        $s->stop;
        is $r->{status}, $told, "a disk that fails: $said is told as $told";
        is $t->wrong({ %$r, shape => 'detail', rid => 'none' }, 502) || 0, 0,
            '... as the API says errors' if $told == 502;
        is $r->{rid}, $rid, '... with its id';
    }

    $t->sandbox->clear;
    $t->sandbox->behave($ok);
    is $t->request(DELETE => "$base/e/", key => 'admin')->{status}, 200,
        '... and is well again';
    my ($status, $text) = Proctor::Test::Trail::whole($t);
    is $status, 0, '... the trail is whole' or diag $text;
    $t->stop;
}


# One outcome waits when the disk fails another's: the next fdatasync, by the same
# thread, would succeed.
SKIP: {
    skip $untraced, 1 if $untraced;

    my $t = fixture(fsync => 'always',
        main => "thread_pool default threads=1;\n");
    my ($worker) = $t->nginx->workers;
    $t->sandbox->clear;
    for my $name ('one', 'two') {
        $t->sandbox->behave({ %$ok, hold => $name,
            match => { path => "/$name/" } });
    }
    my @calls = map { [$_, $t->connect, Proctor::Test::rid()] } 'one', 'two';
    $_->[1]->send($t->bytes(DELETE => "$base/$_->[0]/", key => 'admin',
        rid => $_->[2])) for @calls;
    $t->sandbox->wait(held => 2);
    my $s = Proctor::Test::Strace->new($worker, '-e', 'trace=fdatasync', '-e',
        'inject=fdatasync:error=EIO:delay_enter=500000:when=1');
    for (@calls) {
        my ($name, undef, $rid) = @$_;
        $t->sandbox->release($name);
        wait_until('the outcome', sub { outcomes($t, $rid) });
    }
    is join(' ', map { $_->[1]->answer->{status} } @calls), '502 502',
        'a disk that fails one outcome fails those that wait in the same file';
    $_->[1]->close for @calls;
    $s->stop;

    $t->sandbox->clear;
    $t->sandbox->behave($ok);
    is $t->request(DELETE => "$base/e/", key => 'admin')->{status}, 200,
        '... and is well again';
    my ($status, $text) = Proctor::Test::Trail::whole($t);
    is $status, 0, '... the trail is whole' or diag $text;
    $t->stop;
}


# The same answers as without a trail.
my $large = join '', map { sprintf '%07d ', $_ } 1 .. 60_000;
my @cases = (
    ['a small one', 'e', $ok],
    ['no body', 'e', { status => 204, body => '' }],
    ['an empty one', 'e', { status => 200, body => '' }],
    ['a refusal', 'e', { status => 409, json => { detail => 'no' } }],
    ['an error', 'e', { status => 500, body => 'x' }],
    ['none at all', 'e', { close => 'before' }],
    ['no HTTP', 'e', { raw => "junk\r\n\r\n" }],
    ['a refused key', 'e', { status => 401, json => {} }],
    (map {
        my $where = $_;
        ["a large one, $where", $where, { status => 200, body => $large }],
        ["one in chunks, $where", $where,
            { status => 200, body => $large, chunked => \1 }],
        ["one cut off, $where", $where,
            { status => 200, body => $large, close => 'mid_body' }],
    } 'e', 'straight', 'zipped'),
);

# in HTTP/2: status and length, by curl; undef: it does not speak that
sub h2 {
    my ($t, $method) = @_;

    return undef unless `curl -V` =~ /\bHTTP2\b/;
    open my $pipe, '-|', 'curl', '-s', '--http2-prior-knowledge', '--max-time',
        20, '-o', '/dev/null', '-w', '%{http_code} %{size_download}',
        $method eq 'HEAD' ? '-I' : ('-X', $method), '-H', join(': ',
            $t->authorization('admin')), 'http://127.0.0.1:' . $t->port
            . "$base/e/" or die "curl: $!\n";
    my $said = readline $pipe;
    close $pipe;
    return $said;
}

my %got;
for my $fsync ('none', 'group', 'always') {
    my $t = fixture(fsync => $fsync, listen => 'http2');
    for my $case (grep { $_->[1] eq 'e' && $_->[0] !~ /cut off/ } @cases) {
        for my $method ('DELETE', 'HEAD') {
            $t->sandbox->clear;
            $t->sandbox->behave({ %{ $case->[2] }, times => 0 });
            push @{ $got{"$case->[0], $method in HTTP/2"} }, h2($t, $method);
        }
    }
    $t->stop;
}

for my $fsync ('none', 'group', 'always') {
    my $t = fixture(fsync => $fsync);
    for my $case (@cases) {
        my ($name, $id, $rule) = @$case;
        for my $method ('DELETE', length($rule->{body} // '') < 9 ? 'HEAD' : ()) {
            $t->sandbox->clear;
            $t->sandbox->behave({ %$rule, times => 0 });
            my $conn = $t->connect;
            my @said;
            for (1 .. 2) { # a connection that is kept
                my $rid = Proctor::Test::rid();
                $conn->send($t->bytes($method => "$base/$id/", key => 'admin',
                    rid => $rid, headers => ['Accept-Encoding', 'gzip']));
                my $r = $conn->answer(method => $method) or last;
                delete @{ $r->{headers} }{qw(date x-request-id)};
                push @said, join "\n", $r->{status}, length $r->{body},
                    map { "$_: $r->{headers}{$_}" } sort keys %{ $r->{headers} };
                last if ($r->{headers}{connection} // '') eq 'close';
                push @said, $fsync eq 'none' ? 1 : scalar(outcomes($t, $rid));
                last if $conn->{eof};
            }
            $conn->close;
            push @{ $got{"$name, $method"} }, join "\n", @said;
        }
    }
    $t->stop;
}
for my $name (sort keys %got) {
    is $got{$name}[$_], $got{$name}[0], "$name, " . ('group', 'always')[$_ - 1]
        for 1, 2;
}

done_testing;
