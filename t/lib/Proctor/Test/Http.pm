package Proctor::Test::Http;

# A raw HTTP/1.1 client: what is sent is exactly what the test says, and an
# answer is read without help from a library that would repair it.
#
#     my $c = Proctor::Test::Http->new(port => $port);
#     $c->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
#     my $answer = $c->answer;            # { status, headers, body, ... }
#     $c->half_close; $c->reset; $c->close;
#
# An answer is a hash: status, line, head (raw bytes up to the blank line),
# headers (lower-case name => values joined by ", "), list ([name, value] as
# sent), body (chunks removed), chunks (their sizes), closed (the server ended
# the connection before the answer was complete), interim (1xx statuses).
# undef: the server closed without a byte.  What is no HTTP at all has status 0
# and everything as its body.

use strict;
use warnings;

use Exporter 'import';
use IO::Select;
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP SOL_SOCKET SO_LINGER TCP_NODELAY);
use Time::HiRes qw(time);

our @EXPORT_OK = qw(render);

$SIG{PIPE} = 'IGNORE';


sub new {
    my ($class, %args) = @_;

    my $self = bless {
        buffer  => '',
        eof     => 0,
        timeout => $args{timeout} // 15,
    }, $class;

    $self->{socket} = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $args{port}, Proto => 'tcp',
    ) or die "connect to port $args{port}: $!\n";

    setsockopt $self->{socket}, IPPROTO_TCP, TCP_NODELAY, 1;
    $self->{socket}->blocking(0);
    $self->{select} = IO::Select->new($self->{socket});

    return $self;
}


# The bytes of a request; headers: [name, value, name, value...].  Host and
# Content-Length are added unless given or `bare`.
sub render {
    my ($method, $target, %args) = @_;

    my @headers = @{ $args{headers} || [] };
    my %given;
    for (my $i = 0; $i < @headers; $i += 2) {
        $given{ lc $headers[$i] } = 1;
    }

    unless ($args{bare}) {
        unshift @headers, 'Host', $args{host} // 'gateway.test'
            unless $given{host};
        push @headers, 'Content-Length', length $args{body}
            if defined $args{body}
            && !$given{'content-length'} && !$given{'transfer-encoding'};
    }

    my $bytes = "$method $target HTTP/1.1\r\n";
    while (my ($name, $value) = splice @headers, 0, 2) {
        $bytes .= "$name: $value\r\n";
    }

    return "$bytes\r\n" . ($args{body} // '');
}


# Sends all; false when the server no longer takes it.
sub send {
    my ($self, $bytes) = @_;

    my $end = time + $self->{timeout};
    my $sent = 0;

    while ($sent < length $bytes) {
        my $n = syswrite $self->{socket}, $bytes, length($bytes) - $sent, $sent;

        if (defined $n) {
            $sent += $n;
            next;
        }

        return 0 unless $!{EAGAIN} || $!{EINTR};
        die "send timed out\n" if time > $end;

        # an early answer must be drained or both sides stand still
        my ($r, $w) = IO::Select->select(
            $self->{select}, $self->{select}, undef, 1);
        $self->fill(0) if $r && @$r && !$self->{eof};
    }

    return 1;
}


# Reads what is there, waiting for it at most $wait seconds; false at the end.
sub fill {
    my ($self, $wait) = @_;

    return 0 if $self->{eof};
    return 1 unless $self->{select}->can_read($wait);

    my $n = sysread $self->{socket}, $self->{buffer}, 65536,
        length $self->{buffer};

    return 1 if !defined $n && ($!{EAGAIN} || $!{EINTR});
    $self->{reset} = 1 unless defined $n;
    $self->{eof}   = 1 unless $n;

    return $n ? 1 : 0;
}


# True as soon as the buffer fulfils $ready; false when the server closed.
sub await {
    my ($self, $ready) = @_;

    my $end = time + $self->{timeout};

    until ($ready->()) {
        my $left = $end - time;
        die "read timed out, so far: " . substr($self->{buffer}, 0, 200) . "\n"
            if $left <= 0;
        return $ready->() unless $self->fill($left);
    }

    return 1;
}


sub answer {
    my ($self, %args) = @_;

    my @interim;

    while (1) {
        my $answer = $self->head or return;

        if ($answer->{status} >= 100 && $answer->{status} < 200) {
            push @interim, $answer->{status};
            next;
        }

        return $answer if $answer->{status} == 0;
        $answer->{interim} = \@interim;
        return $self->body($answer, $args{method} // '');
    }
}


sub head {
    my ($self) = @_;

    my $found = $self->await(sub { $self->{buffer} =~ /\r?\n\r?\n/ });

    unless ($found) {
        return if $self->{buffer} eq '';
        my $rest = $self->{buffer};
        $self->{buffer} = '';
        return { status => 0, line => '', head => $rest, headers => {},
                 list => [], body => $rest, closed => 1 };
    }

    $self->{buffer} =~ s/\A(.*?)\r?\n\r?\n//s;
    my $head = $1;
    my ($line, @lines) = split /\r?\n/, $head;
    my ($status) = $line =~ /\AHTTP\/1\.[01] (\d{3})/;

    my (%headers, @list);
    for (@lines) {
        my ($name, $value) = /\A([^:]+):[ \t]*(.*?)[ \t]*\z/ or next;
        push @list, [$name, $value];
        my $key = lc $name;
        $headers{$key} = defined $headers{$key}
            ? "$headers{$key}, $value" : $value;
    }

    return { status => $status // 0, line => $line, head => $head,
             headers => \%headers, list => \@list, body => '' };
}


sub body {
    my ($self, $answer, $method) = @_;

    my $status = $answer->{status};
    my $coding = $answer->{headers}{'transfer-encoding'} // '';
    my $length = $answer->{headers}{'content-length'};

    return $answer
        if $method eq 'HEAD' || $status == 204 || $status == 304;

    return $self->chunked($answer) if lc $coding eq 'chunked';

    if (defined $length) {
        my $whole = $self->await(sub { length $self->{buffer} >= $length });
        $answer->{closed} = 1 unless $whole;
        $answer->{body} = substr $self->{buffer}, 0,
            $whole ? $length : length $self->{buffer}, '';
        return $answer;
    }

    $self->await(sub { $self->{eof} });
    $answer->{body} = $self->{buffer};
    $self->{buffer} = '';
    return $answer;
}


sub chunked {
    my ($self, $answer) = @_;

    $answer->{chunks} = [];

    while (1) {
        last unless $self->await(sub { $self->{buffer} =~ /\r\n/ });

        $self->{buffer} =~ s/\A([0-9a-fA-F]+)[^\r]*\r\n//
            or die "bad chunk: " . substr($self->{buffer}, 0, 40) . "\n";
        my $size = hex $1;

        last unless $self->await(
            sub { length $self->{buffer} >= $size + 2 });

        $answer->{body} .= substr $self->{buffer}, 0, $size, '';
        substr $self->{buffer}, 0, 2, '';
        return $answer if $size == 0;
        push @{ $answer->{chunks} }, $size;
    }

    $answer->{closed} = 1;
    $answer->{body} .= $self->{buffer};
    $self->{buffer} = '';
    return $answer;
}


# All bytes until the server closes.
sub rest {
    my ($self) = @_;

    $self->await(sub { $self->{eof} });
    my $rest = $self->{buffer};
    $self->{buffer} = '';
    return $rest;
}


# True when the server has closed, or does so within $seconds.
sub closed {
    my ($self, $seconds) = @_;

    my $end = time + ($seconds // 0);
    while (!$self->{eof}) {
        my $left = $end - time;
        $self->fill($left > 0 ? $left : 0);
        last if $left <= 0;
    }
    return $self->{eof};
}


sub half_close { shutdown $_[0]{socket}, 1 }
sub close      { CORE::close $_[0]{socket} }


# Ends the connection with a TCP reset.
sub reset {
    my ($self) = @_;

    setsockopt $self->{socket}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
    CORE::close $self->{socket};
}

1;
