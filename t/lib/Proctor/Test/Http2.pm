package Proctor::Test::Http2;

# A raw HTTP/2 client, for what no library would send: the fields of a request
# are the bytes that the test says, in its order.
#
#     my $c = Proctor::Test::Http2->new(port => $port);
#     my $r = $c->request([':method' => 'GET', ':scheme' => 'http',
#         ':path' => '/', ':authority' => 'x'], body => '{}');
#     my $id = $c->begin([...]); $c->forget;     # or $c->answer($id)
#     $c->close;
#
# request() and begin() take: body (bytes, in one DATA frame a `pieces` bytes), trailers
# (fields after the body), open (1: the stream is not ended).  The answer has
# status (0: there was none), body, reset (the code of a RST_STREAM), gone (the
# code of a GOAWAY, or -1 when the connection just ended).
#
# Of HPACK (RFC 7541) only what both sides need: our fields are literals that
# are never indexed; of an answer only its first field, the status, is read.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

use constant {
    DATA => 0, HEADERS => 1, RST_STREAM => 3, SETTINGS => 4, GOAWAY => 7,
    WINDOW_UPDATE => 8,
    END_STREAM => 1, ACK => 1, END_HEADERS => 4, PADDED => 8, PRIORITY => 32,
};

# statuses in HPACK's static table, from index 8
my @statuses = (200, 204, 206, 304, 400, 404, 500);


sub new {
    my ($class, %args) = @_;

    my $self = bless { in => '', stream => -1, timeout => 15, %args }, $class;

    $self->{socket} = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $args{port}, Proto => 'tcp',
    ) or die "connect to port $args{port}: $!\n";
    setsockopt $self->{socket}, IPPROTO_TCP, TCP_NODELAY, 1;

    # the connection's window is larger than any test's answers together
    $self->send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . frame(SETTINGS, 0, 0, '')
        . frame(WINDOW_UPDATE, 0, 0, pack 'N', 1 << 30));

    return $self;
}


sub send {
    my ($self, $bytes) = @_;

    local $SIG{PIPE} = 'IGNORE';
    return syswrite $self->{socket}, $bytes;
}


sub close { CORE::close $_[0]{socket} }


sub frame {
    my ($type, $flags, $stream, $payload) = @_;

    return substr(pack('N', length $payload), 1)
        . pack('CCN', $type, $flags, $stream) . $payload;
}


# [name, value, ...] as literals; RFC 7541, 6.2.3
sub fields {
    my ($fields) = @_;

    return join '', map { $_ % 2 ? () : "\x10"
        . text($fields->[$_]) . text($fields->[$_ + 1]) } 0 .. $#$fields;
}


sub text {
    my ($text) = @_;

    my $n = length $text;
    return chr($n) . $text if $n < 127;

    my $size = "\x7f";
    for ($n -= 127; $n >= 128; $n >>= 7) {
        $size .= chr($n & 127 | 128);
    }
    return $size . chr($n) . $text;
}


sub request {
    my ($self, $fields, %args) = @_;

    return $self->answer($self->begin($fields, %args));
}


# The stream that was begun; the request is whole unless `open`.
sub begin {
    my ($self, $fields, %args) = @_;

    my $id = $self->{stream} += 2;
    my $last = !defined $args{body} && !$args{trailers} && !$args{open};
    my $bytes = frame(HEADERS, END_HEADERS | ($last ? END_STREAM : 0), $id,
        fields($fields));

    my @pieces = defined $args{body}
        ? unpack('(a' . ($args{pieces} // 16384) . ')*', $args{body}) : ();
    push @pieces, '' if defined $args{body} && !@pieces;

    while (defined(my $piece = shift @pieces)) {
        $last = !@pieces && !$args{trailers} && !$args{open};
        $bytes .= frame(DATA, $last ? END_STREAM : 0, $id, $piece);
    }

    $bytes .= frame(HEADERS, END_HEADERS | END_STREAM, $id,
        fields($args{trailers})) if $args{trailers};

    $self->send($bytes);
    return $id;
}


# Nobody waits for the newest stream any more: CANCEL.
sub forget {
    my ($self) = @_;

    $self->send(frame(RST_STREAM, 0, $self->{stream}, pack 'N', 8));
}


sub answer {
    my ($self, $id) = @_;

    my $answer = { status => 0, body => '' };

    while (my ($type, $flags, $stream, $payload) = $self->frame_in) {
        if ($type == SETTINGS && !($flags & ACK)) {
            $self->send(frame(SETTINGS, ACK, 0, ''));
        }
        if ($type == GOAWAY) {
            $answer->{gone} = unpack 'x4 N', $payload;
            return $answer;
        }
        next if $stream != $id;

        if ($type == HEADERS) {
            my $status = status($payload, $flags);
            $answer->{status} = $status if $status >= 200;
        }
        $answer->{body} .= $payload if $type == DATA;
        if ($type == RST_STREAM) {
            $answer->{reset} = unpack 'N', $payload;
            return $answer;
        }
        return $answer if $type <= HEADERS && $flags & END_STREAM;
    }

    $answer->{gone} = -1;
    return $answer;
}


sub status {
    my ($block, $flags) = @_;

    die "padded headers\n" if $flags & (PADDED | PRIORITY);
    $block =~ s/\A[\x20-\x3f]+//;    # the table's size
    my $first = ord $block;

    return $statuses[($first & 127) - 8] if $first & 128;
    return $1 if $block =~ /\A.\x03(\d{3})/s;
    die sprintf "a status in another form: %s\n", unpack 'H*', $block;
}


# type, flags, stream, payload; nothing at the end
sub frame_in {
    my ($self) = @_;

    my $head = $self->take(9) // return;
    my ($high, $low, $type, $flags, $stream) = unpack 'CnCCN', $head;
    my $payload = $self->take($high << 16 | $low) // return;

    return ($type, $flags, $stream & 0x7fffffff, $payload);
}


sub take {
    my ($self, $n) = @_;

    my $end = time + $self->{timeout};
    my $select = IO::Select->new($self->{socket});

    while (length $self->{in} < $n) {
        my $left = $end - time;
        die "read timed out\n" if $left <= 0;
        next unless $select->can_read($left);
        sysread $self->{socket}, $self->{in}, 65536, length $self->{in}
            or return;
    }

    return substr $self->{in}, 0, $n, '';
}

1;
