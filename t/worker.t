use strict;
use warnings;

# What a worker reuses from request to request stays as small as it was, and
# work that nobody waits for any more ends with its worker.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Test::More;

my $base = '/api/v2/experiments';
my $t = Proctor::Test->new(options => 'client_max_body_size 4m;');


sub resident { Proctor::Test::Nginx::resident($t->nginx->workers) }

sub create {
    my ($size) = @_;
    return '{"dataset_id":"d","evaluator_ids":["e"],"workflow":[{"type":"t"}],'
        . '"x":["\u00e9",' . join(',', 1 .. $size) . ']}';
}

# A round of everything: allowed, refused, small, large, rewritten.
sub round {
    my $conn = $t->connect;
    for my $i (1 .. 60) {
        for my $call (
            [GET => "$base/list/?page=1&page_size=20", key => 'admin'],
            [GET => "$base/?page=0&page_size=x&unknown=" . 'y' x $i, key => 'admin'],
            [POST => "$base/", key => 'admin', body => create($i)],
            [POST => "$base/", key => 'admin', body => create($i) . '}'],
            [POST => "$base/", key => 'admin', json => { workflow => [7, {}] }],
            [GET => "$base/", token => 'x'],
        ) {
            my ($method, $target, %args) = @$call;
            $t->request($method, $target, %args, conn => $conn) or die;
        }
    }
    $t->request(POST => "$base/", key => 'admin', body => create($_),
        conn => $conn) for (40_000) x 5;
    $conn->close;
}

# each thread that checks large bodies keeps some memory for the next one
SKIP: {
    skip 'a sanitizer keeps what was freed', 1 unless defined resident();
    round() for 1 .. 8;
    my $before = resident();
    round() for 1 .. 4;
    cmp_ok resident() - $before, '<', 2048, 'rounds cost no memory (KB)';
}


# large bodies are checked aside; the worker is stopped before they are done
for (1 .. 3) {
    my @conns = map { $t->connect } 1 .. 8;
    for my $conn (@conns) {
        $conn->send($t->bytes(POST => "$base/", key => 'admin',
            body => create(200_000)));
    }
    $_->reset for @conns[0 .. 3];
    $t->nginx->reload;
    for my $conn (@conns[4 .. 7]) {
        my $r = $conn->answer;
        like $r->{status}, qr/^20[01]$/, 'a body under way is answered';
        $conn->close;
    }
}

{
    my @conns = map { $t->connect } 1 .. 8;
    $_->send($t->bytes(POST => "$base/", key => 'admin',
        body => create(200_000))) for @conns;
    $_->reset for @conns;
}

$t->done;
