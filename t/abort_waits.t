use strict;
use warnings;

# Clients that leave while their calls wait for somebody else: for Redis that
# stands still (quota, cache, the mark before a write), for the upstream, for
# another call's answer, for a disk.  What comes back afterwards finds nobody,
# and harms nobody.
#
# PROCTOR_LONG=1: ten thousand of them.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test::Cache;
use Proctor::Test::Http2;
use Proctor::Test::Status qw(becomes);
use Proctor::Test::Wait qw(free_ports wait_until);
use Test::More;

my $base = '/api/v2/experiments';
my $many = $ENV{PROCTOR_LONG} ? 10_000 : 120;
my $redis = redis();
my ($second) = free_ports(1);

my $t = gateway($redis,
    teams => sub {
        my ($data) = @_;
        $data->{teams}{alpha}{quotas} = [
            { name => 'calls', limit => 1_000_000, per => '1d' },
            { name => 'creates', limit => 1_000_000, per => '1d',
                operations => ['experiment.create'], charge => 'accepted' }];
    },
    timeout => '300ms',
    http => <<"EOT");
    server {
        listen 127.0.0.1:$second http2;
        location / {
            proctor respan;
            proxy_pass http://sandbox;
        }
    }
EOT
my @workers = $t->nginx->workers;

my $create = '{"dataset_id":"d","evaluator_ids":["e"],"workflow":[{"type":"t"}]}';
my @calls = (
    ['a read that is not stored', GET => "$base/x/logs/list/"],
    ['a read that may be', GET => "$base/stored/"],
    ['a search', POST => "$base/list/", body => '{}'],
    ['a create', POST => "$base/", body => $create],
    ['a long create', POST => "$base/", body => substr($create, 0, -1)
        . ',"x":"' . ('y' x 100_000) . '"}'],
    ['a delete', DELETE => "$base/gone/"],

    # without a quota the first to ask Redis is the mark, after the intent
    ['a create that is not counted', POST => "$base/", key => 'beta',
        body => $create],
    ['a delete that is not counted', DELETE => "$base/gone/", key => 'beta'],
    ['a read that is not counted', GET => "$base/stored/", key => 'beta'],
);
$t->sandbox->behave({ match => { path => '^/api/v2' }, times => 0,
    status => 200, json => { status => 'running' } });


# Whether the worker has read all that was sent: a reset would take it away.
sub taken {
    my ($conn) = @_;

    my $ports = sprintf ':%04X [0-9A-F]+:%04X', $conn->{socket}->peerport,
        $conn->{socket}->sockport;
    open my $fh, '<', '/proc/net/tcp' or die "tcp: $!\n";
    my ($line) = grep { /$ports 01 / } <$fh>;
    return $line && $line =~ /\A(?:\s*\S+){4} [0-9A-F]+:0{8} (?:\s*\S+){4} [1-9]/;
}

# One call, sent and left in this way; no answer is waited for.
sub leave {
    my ($how, $method, $target, @more) = @_;

    my $conn = $t->connect;
    $conn->send($t->bytes($method, $target, key => 'admin', rid => $t->rid,
        @more));
    wait_until('the bytes to be read', sub { taken($conn) })
        if $how eq 'reset';
    $how eq 'reset' ? $conn->reset
        : $how eq 'close' ? $conn->close
        : $conn->half_close;
    return $how eq 'half' ? $conn : ();
}

# The same in HTTP/2: the stream is reset and goes on, or the connection ends.
sub leave_stream {
    my ($how, $method, $target, %more) = @_;

    my $conn = Proctor::Test::Http2->new(port => $second);
    $conn->begin([':method' => $method, ':scheme' => 'http',
        ':path' => $target, ':authority' => 'x',
        'authorization', 'Bearer ' . $t->teams->token($more{key} // 'admin'),
        'x-request-id', $t->rid,
        $more{body} ? ('content-type', 'application/json') : ()],
        body => $more{body});
    $conn->forget if $how eq 'stream';
    $conn->close if $how eq 'close';
    return $how eq 'close' ? () : $conn;
}

# It is quiet again: no client, nobody dead, Redis and the next call are well.
sub quiet {
    my ($name) = @_;

    my $left = eval {
        wait_until('connections to end', sub {
            $t->nginx->connections($t->{status_port}) == 1;
        }, 30);
    };
    ok $left, "$name: nothing is left open";
    becomes($t, 'ready', 30);
    is $t->request(GET => "$base/stored/", key => 'admin')->{status}, 200,
        '... the next call is answered';
    is "@{[$t->nginx->workers]}", "@workers", '... and nobody died';
}


# L1: Redis stands still, and goes on before or after it is given up
for my $call (@calls) {
    my ($name, @call) = @$call;

    $redis->freeze;
    my @open = map { leave_stream($_, @call) } 'stream', 'close', 'stream';
    my @half = map { leave($_, @call) } 'half', 'reset', 'close', 'reset', 'half';
    $_->closed(20) for @half;
    $redis->thaw;
    becomes($t, 'ready', 30);
    $_->close for @open;
    quiet("left while Redis stands still: $name");
}

for my $round (1 .. $many / 40) {
    $redis->freeze;
    for my $i (1 .. 40) {
        my ($name, @call) = @{ $calls[$i % @calls] };
        leave($i % 8 ? 'close' : 'reset', @call);
    }
    $redis->thaw;
    becomes($t, 'ready', 30);
}
quiet("$many left while Redis stood still");


# Redis dies while they wait, and while they leave
for my $call (@calls[1, 3, 6]) {
    my ($name, @call) = @$call;
    $redis->freeze;
    my @stay = map { leave('half', @call) } 1 .. 2;
    leave('reset', @call) for 1 .. 2;
    $redis->kill;
    leave('close', @call) for 1 .. 2;
    $_->closed(20), $_->close for @stay;
    $redis->start;
    becomes($t, 'ready', 30);
}
quiet('left while Redis died');


# L2: a fill whose client leaves, and one that others wait for
for my $how ('reset', 'close', 'half') {
    my $id = "fill-$how";
    $t->sandbox->clear;
    upstream($t, $id, hold => 'fill', json => { x => 'y' x 100_000 },
        pace => { bytes => 8192, every => 0.001 });

    my $leader = $t->connect;
    $leader->send($t->bytes(GET => "$base/$id/", key => 'admin',
        rid => $t->rid));
    $t->sandbox->wait(held => 1);
    my @followers = map { leave('half', GET => "$base/$id/") } 1 .. 5;
    leave($_, GET => "$base/$id/") for 'reset', 'close';

    $how eq 'reset' ? $leader->reset
        : $how eq 'close' ? $leader->close : $leader->half_close;
    $t->sandbox->clear;
    upstream($t, $id, json => { x => 'y' x 100_000 });
    $t->sandbox->release('fill');
    $_->closed(20), $_->close for @followers;
    $leader->close if $how eq 'half';
    quiet("left while an answer was to be stored, $how");
}
{
    my $id = 'cut';
    upstream($t, $id, json => { x => 'y' x 300_000 },
        pace => { bytes => 8192, every => 0.001 });
    for my $how ('reset', 'close') {
        my $conn = $t->connect;
        $conn->send($t->bytes(GET => "$base/$id/", key => 'admin',
            rid => $t->rid));
        $conn->head;
        $conn->fill(5);
        $how eq 'reset' ? $conn->reset : $conn->close;
    }
    quiet('left in the middle of what was to be stored');
    is length get($t, $id)->{body}, 8 + 300_000, 'nothing cut was stored';
}

# each call that was written down before it happened has one end
{
    my (%left, $intents);
    wait_until('all outcomes', sub {
        (%left, $intents) = ();
        for my $record (map { JSON::PP::decode_json($_) } $t->audit_lines) {
            my $change = { intent => 1, outcome => -1 }->{ $record->{kind} } // 0;
            $left{ $record->{id} // '' } += $change;
            $intents += $change > 0;
        }
        return !grep { $_ != 0 } values %left;
    });
    cmp_ok $intents, '>', 5, 'durable calls were left, too';
    ok !(grep { $_ != 0 } values %left), '... and each has its one outcome';
}

$t->done;
