use strict;
use warnings;

# Clients that leave at every stage: nothing crashes, leaks, or is left open,
# and each call that was under way has its one record.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::Wait qw(wait_until);
use Test::More;

my $base = '/api/v2/experiments';

# nginx keeps a connection that was reset while it discarded a body until the
# end of its patience with idle ones
my $t = Proctor::Test->new(server => 'keepalive_timeout 2s;',
    options => 'client_body_buffer_size 4k; client_max_body_size 4m;'
        . 'proxy_buffering off;');

my $small = '{"dataset_id":"d","evaluator_ids":["e"],"workflow":[{"type":"t"}]}';

sub large {
    my ($size) = @_;
    return substr($small, 0, -1) . ',"x":"' . ('y' x $size) . '"}';
}

# the first requests make everything that stays: pools, connections upstream
$t->request(POST => "$base/", key => 'admin', body => large($_))
    for 10, 100_000, 1_000_000;
my @workers = $t->nginx->workers;


# Leaves in each of the three ways a client can.
sub leave {
    my ($conn, $how) = @_;

    $how eq 'reset' ? $conn->reset
        : $how eq 'close' ? $conn->close
        : ($conn->half_close, $conn->closed(20), $conn->close);
}

# All is quiet again: nothing open, descriptors as few as at first.
my $quiet;

sub quiet {
    my ($name) = @_;

    my $ok = eval {
        wait_until('quiet', sub {
            $t->nginx->connections($t->{status_port}) == 1
                && (!defined $quiet || $t->nginx->descriptors <= $quiet);
        }, 20);
    };
    $quiet //= $t->nginx->descriptors + 9;   # idle connections upstream vary
    ok $ok, "$name: nothing is left open"
        or diag 'connections ', $t->nginx->connections($t->{status_port}),
            ", descriptors ${\ $t->nginx->descriptors} of $quiet";
    is "@{[$t->nginx->workers]}", "@workers", '... and nobody died';
}

quiet('at first');


# in the middle of the request, at every byte of the head and many of the body
for my $how ('reset', 'close', 'half') {
    my $bytes = $t->bytes(POST => "$base/", key => 'admin', body => $small);

    for my $cut (0 .. length($bytes) - 1) {
        my $conn = $t->connect;
        $conn->send(substr $bytes, 0, $cut);
        leave($conn, $how);
    }
    quiet("a head or body cut at any byte, $how");

    my $chunked = $t->bytes(POST => "$base/", key => 'admin', headers => [
        'Transfer-Encoding', 'chunked', 'Content-Type', 'application/json',
    ]) . "10\r\n" . substr($small, 0, 16) . "\r\n20\r\n" . substr($small, 16, 32);

    for my $cut (length($chunked) - 60 .. length $chunked) {
        my $conn = $t->connect;
        $conn->send(substr $chunked, 0, $cut);
        leave($conn, $how);
    }
    quiet("a chunked body cut at any byte, $how");

    for my $cut (4000, 5000, 70_000, 400_000) {
        my $long = $t->bytes(POST => "$base/", key => 'admin',
            body => large(500_000));
        my $conn = $t->connect;
        $conn->send(substr $long, 0, $cut);
        leave($conn, $how);
    }
    quiet("a long body cut, $how");
}


# with the body there and the verdict not yet: large ones are checked aside
for my $how ('reset', 'close', 'half') {
    for my $size (10, 60_000, 70_000, 900_000) {
        for my $tail ('', '}') {
            my @rids;
            for my $round (1 .. 4) {
                my $rid = Proctor::Test::rid();
                my $conn = $t->connect;
                $conn->send($t->bytes(POST => "$base/", key => 'admin',
                    rid => $rid, body => large($size) . $tail));
                leave($conn, $how);
                push @rids, $rid;
            }

            next if $how eq 'reset';    # may have arrived in part only
            for my $rid (@rids) {
                is scalar(my @records = $t->audit($rid)), 1,
                    "$how after $size bytes: one record";
                ok !$tail || !$t->upstream($rid), '... a bad one goes nowhere';
            }
        }
    }
    quiet("a body sent and left, $how");
}


# while the upstream is asked
for my $how ('reset', 'close', 'half') {
    for my $call ([GET => "$base/x/"], [POST => "$base/", body => $small],
        [POST => "$base/", body => large(200_000)],
        [GET => "$base/list/"]) {
        $t->sandbox->behave({ hold => 'held' });
        my $rid = Proctor::Test::rid();
        my $conn = $t->connect;
        my ($method, $target, @body) = @$call;
        $conn->send($t->bytes($method, $target, key => 'admin', rid => $rid,
            @body));
        $t->sandbox->wait(held => 1);
        $how eq 'half' ? $conn->half_close : leave($conn, $how);

        # a durable operation goes on to its end, with or without its client
        my @records = $how eq 'half' || $method eq 'POST'
            ? () : $t->audit($rid);
        $t->sandbox->release('held');
        $conn->closed(20) if $how eq 'half';
        $conn->close;
        @records = $t->audit($rid) unless @records;

        is @records, 1, "$how while the upstream is asked: one record";
        is $records[0]{decision}, 'allowed', '... of an allowed call';
    }
    quiet("left while the upstream is asked, $how");
}


# while the answer comes: in its head, its body, and through the links filter
for my $how ('reset', 'close') {
    for my $path ("$base/x/", "$base/list/") {
        $t->sandbox->behave({ status => 200,
            body => '{"next":"http://a/b","x":"' . ('z' x 200_000) . '"}',
            pace => { bytes => 4096, every => 0.002 } });
        my $rid = Proctor::Test::rid();
        my $conn = $t->connect;
        $conn->send($t->bytes(GET => $path, key => 'admin', rid => $rid));
        $conn->head;
        $conn->fill(5);
        leave($conn, $how);
        is scalar(my @records = $t->audit($rid)), 1,
            "$how inside of an answer: one record";
    }
    quiet("left inside of an answer, $how");
}


# after a refusal, with the body still coming
for my $how ('reset', 'close', 'half') {
    for my $case ([POST => "$base/"], [POST => "$base/nowhere/x/"]) {
        my $conn = $t->connect;
        $conn->send($t->bytes(@$case, token => 'wrong', headers => [
            'Content-Length', 1_000_000]) . ('x' x 10_000));
        $conn->head;
        leave($conn, $how);
    }
    quiet("left after a refusal, $how");
}


# the upstream leaves at every stage
for my $close ('before', 'after_head', 'mid_body', 'reset') {
    for my $path ("$base/x/", "$base/list/") {
        $t->sandbox->behave({ close => $close, status => 200,
            body => '{"next":"http://a/b","x":"' . ('z' x 20_000) . '"}' });
        my $r = $t->request(GET => $path, key => 'admin');
        ok $r && ($r->{status} == 502 || $r->{closed}),
            "an upstream that ends $close is not made whole";
        is scalar(my @records = $t->audit($r)), 1, '... and has one record';
    }
}
quiet('left by the upstream');


# both at once, many times, on many connections
for my $round (1 .. 10) {
    my @conns = map { $t->connect } 1 .. 20;
    my $i = 0;
    for my $conn (@conns) {
        $i++;
        $conn->send($t->bytes(POST => "$base/", key => 'admin',
            body => large($i % 3 ? 100 : 150_000)));
    }
    $i = 0;
    for my $conn (@conns) {
        $i++ % 2 ? $conn->reset : $conn->answer;
    }
    $_->close for grep { defined $_->{socket}->fileno } @conns;
}
quiet('many at once');

is $t->request(GET => "$base/", key => 'admin')->{status}, 200,
    'and all is well';

$t->done;
