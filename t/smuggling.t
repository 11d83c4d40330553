use strict;
use warnings;

# Header lines that are nearly Transfer-Encoding or Content-Length, in the ways
# that smuggling tools mutate them (H1-H3): a byte before, inside and after
# name, colon and value, alone and beside an honest length.  Whatever this
# gateway makes of one, the upstream is asked once or not at all, with one
# framing, which is a length; and nothing that hides in the body is a request.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Test::More;

my $base = '/api/v2/experiments';

# at level info nginx itself logs header lines that it finds malformed
my $t = Proctor::Test->new(log_level => 'notice');
my $auth = join ': ', $t->authorization('admin');
my $create = '{"dataset_id":"d","evaluator_ids":["e"],"workflow":[{"type":"t"}]}';
my $hidden = "GET $base/smuggled/ HTTP/1.1\r\nHost: gateway.test\r\n$auth\r\n"
    . "X-Request-Id: smuggled\r\n\r\n";

my @bytes = map { chr } 0 .. 0x22, 0x27, 0x2c, 0x3a, 0x3b, 0x5c, 0x5f, 0x7f,
    0x80, 0x85, 0xa0, 0xad, 0xff;

my %places = (
    'before the name'    => sub { "$_[0]Transfer-Encoding: chunked" },
    'inside of the name' => sub { "Transfer$_[0]Encoding: chunked" },
    'before the colon'   => sub { "Transfer-Encoding$_[0]: chunked" },
    'after the colon'    => sub { "Transfer-Encoding:$_[0]chunked" },
    'before the value'   => sub { "Transfer-Encoding: $_[0]chunked" },
    'inside of the value' => sub { "Transfer-Encoding: chu$_[0]nked" },
    'after the value'    => sub { "Transfer-Encoding: chunked$_[0]" },
    'after a line of its own' => sub { "X: y$_[0]Transfer-Encoding: chunked" },
    'around the value'   => sub { "Transfer-Encoding: $_[0]chunked$_[0]" },
    'with a second word' => sub { "Transfer-Encoding: chunked$_[0]identity" },
    'with a first word'  => sub { "Transfer-Encoding: x$_[0]chunked" },
    'inside of the length' => sub { "Content-Length: 1$_[0]0" },
    'before the length'  => sub { "Content-Length: $_[0]4" },
    'after the length'   => sub { "Content-Length: 4$_[0]" },
    'in the length\'s name' => sub { "Content-Length$_[0]: 4" },
);

my @words = (
    map({ "Transfer-Encoding: $_" } 'chunked, chunked', 'chunked, identity',
        'identity, chunked', 'identity', 'CHUNKED', 'cHuNkEd', 'x', '',
        'chunked;q=1', '"chunked"', "'chunked'", 'chunk', 'chunkedchunked',
        'gzip, chunked', 'chunked, gzip', 'chunked,', ',chunked', '\\chunked',
        "chunked\r\n", "\r\n chunked", "\r\n\tchunked", "x\r\n chunked",
        "chunked\r\nTransfer-Encoding: x", "x\r\nTransfer-Encoding: chunked",
        "identity\r\nTransfer-encoding: chunked"),
    'TRANSFER-ENCODING: chunked', 'transfer-encoding:chunked', 'TE: chunked',
    'Content-Encoding: chunked', 'Content_Length: 4', 'Content-Length : 4',
    'Content-Length:', 'Content-Length: 0x4', 'Content-Length: 4e0',
    'Content-Length: 4.0', 'Content-Length: 4,4', 'Content-Length: 04',
    "Content-Length: 4\r\nContent-Length: 5", 'Content-Length: -0',
    'Connection: Transfer-Encoding', 'Connection: Content-Length',
);

my @lines = (@words, map {
    my $make = $places{$_};
    map { $make->($_) } @bytes;
} sort keys %places);

# the honest length covers these: a JSON text, or the end of chunks and then
# another request
my @bodies = ($create, "0\r\n\r\n$hidden");


# Why this line is a danger; nothing when it is not.
sub fault {
    my ($line, $length, $body) = @_;

    my $rid = Proctor::Test::rid();
    my @length = $length ? 'Content-Length: ' . length $body : ();
    my $conn = $t->connect;
    $conn->send(join "\r\n", "POST $base/ HTTP/1.1", 'Host: gateway.test',
        $auth, 'Content-Type: application/json', "X-Request-Id: $rid",
        $length eq 'before' ? @length : (), $line,
        $length eq 'after' ? @length : (), '', $body);
    $conn->half_close;

    my @answers;
    while (my $answer = $conn->answer) {
        push @answers, $answer;
        last if $answer->{closed};
    }
    $conn->close;

    my @got = $t->upstream($rid);
    return 'the upstream was asked twice' if @got > 1;
    return 'something hidden was asked' if $t->upstream('smuggled');
    return map { "a $_->{status} of our own" }
        grep { $_->{status} >= 500 && $_->{status} != 501 } @answers
        if !@got;
    return unless @got;

    return 'another body' if $got[0]{body} ne $body;
    return 'chunks' if $got[0]{chunked};
    return 'another coding' if $got[0]{head} =~ /^transfer.?encoding/mi;
    my @said = $got[0]{head} =~ /^content.?length\W+(.*?)\r?$/mig;
    return "lengths: @said" if "@said" ne length $body;
    return;
}

for my $length ('before', 'after', '') {
    my ($tried, @wrong) = (0);

    for my $line (@lines) {
        for my $body (@bodies) {
            # without an honest length another one may be the true one
            next if !$length && ($body ne $create
                || $line =~ /length/i || $line !~ /transfer/i);
            $tried++;
            my ($why) = fault($line, $length, $body);
            push @wrong, "$why: $line" if $why;
        }
    }

    ok !@wrong, "$tried lines, " . ($length ? "a length $length" : 'no length')
        or diag join "\n", map { s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ger }
            @wrong[0 .. ($#wrong < 20 ? $#wrong : 20)];
    cmp_ok $tried, '>', 500, '... which were many';
}

is scalar(my @smuggled = grep { $_->{target} =~ /smuggled/ } $t->sandbox->log),
    0, 'no hidden request was ever sent on';
is $t->request(GET => "$base/", key => 'admin')->{status}, 200, 'all is well';

$t->done;
