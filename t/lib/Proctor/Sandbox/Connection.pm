package Proctor::Sandbox::Connection;

# One client's connection: bytes in, requests out; answers in, bytes out.
#
# It reads HTTP/1.x itself, on a Mojo::IOLoop stream, because tests compare the
# very bytes that arrived, and because it must be able to answer badly on
# purpose: late, cut short, in pieces, with bytes that are no HTTP at all.
#
# Requests of one connection are answered one after the other: while one is
# being answered the next waits in the buffer.

use strict;
use warnings;
use feature 'signatures';
no warnings 'experimental::signatures';

use Mojo::Date;
use Mojo::IOLoop;
use Mojo::Message::Response;
use Proctor::Sandbox::Request;
use Scalar::Util qw(weaken);
use Socket qw(SOL_SOCKET SO_LINGER);

use constant HEAD_LIMIT => 1_048_576;

# on_request->($connection, $request), exactly once per request, also for one
# that never became whole ($request->{fault} says why; `gone`: nobody listens).
sub new ($class, %args) {
    my $self = bless { %args, in => '' }, $class;
    my $stream = $self->{stream};
    weaken $self->{stream};

    $stream->timeout(0);
    $stream->on(read => sub ($s, $bytes) { $self->_received($bytes) });
    $stream->on(close => sub ($s) { $self->_closed });
    $stream->on(error => sub ($s, $error) { });
    return $self;
}

# $answer: {status, headers => [[name, value], ...], body => bytes}.
# $plan: how to misbehave, see Behaviour.pm.
sub deliver ($self, $request, $answer, $plan = {}) {
    my $close = $plan->{close} // '';
    return $self->_reset if $close eq 'reset';
    return $self->_end   if $close eq 'before';
    return $self->_write_last($plan->{raw}) if defined $plan->{raw};

    my $head = $self->_head($request, $answer);
    my @pieces = _has_body($request, $answer) ? _pieces($answer, $plan->{pace}) : ();
    my $body = join '', @pieces;
    return $self->_write_last($head) if $close eq 'after_head';
    return $self->_write_last($head . substr $body, 0, int(length($body) / 2))
        if $close eq 'mid_body';

    return $self->_write($head . $body, $request) unless $plan->{pace};
    return $self->_pace([ $head, @pieces ], $plan->{pace}{every} // 0, $request);
}

sub _received ($self, $bytes) {
    $self->{in} .= $bytes;
    $self->_parse;
    return;
}

sub _parse ($self) {
    return if $self->{parsing};
    local $self->{parsing} = 1;

    while (!$self->{busy} && !$self->{done}) {
        my $request = $self->{request} //= $self->_take_head or return;
        return unless $request->{fault} || $self->_take_body($request);

        delete $self->{request};
        $self->{busy} = 1;
        $self->{on_request}->($self, $request);
    }
    return;
}

sub _take_head ($self) {
    if ($self->{in} =~ /\n\r?\n/) {
        my $head = substr $self->{in}, 0, $+[0], '';
        return Proctor::Sandbox::Request->new($head);
    }
    return undef if length $self->{in} <= HEAD_LIMIT;
    return $self->_broken('request head too long');
}

sub _take_body ($self, $request) {
    $self->_continue($request);
    return $self->_take_chunks($request) if $request->{chunked};
    return 0 if length $self->{in} < $request->{length};
    $request->{body} = substr $self->{in}, 0, $request->{length}, '';
    return 1;
}

sub _continue ($self, $request) {
    return if $request->{continued}++;
    my $expect = lc($request->header('Expect') // '');
    return if $expect ne '100-continue' || length $self->{in};
    $self->{stream}->write("HTTP/1.1 100 Continue\r\n\r\n");
    return;
}

sub _take_chunks ($self, $request) {
    while ($self->{in} =~ /\A([^\r\n]*)\r?\n/) {
        my ($line, $start) = ($1, $+[0]);
        my ($size) = $line =~ /\A([0-9a-fA-F]{1,8})(?:[ \t;]|\z)/;
        if (!defined $size) {
            $request->{fault} = 'malformed chunk';
            return 1;
        }
        return $self->_take_trailers($start) if hex $size == 0;

        my $end = $start + hex $size;
        return 0 if length $self->{in} < $end + 2;
        $request->{body} .= substr $self->{in}, $start, hex $size;
        substr $self->{in}, 0, $end + 2, '';
    }
    return 0;
}

# After the last chunk: header lines up to an empty one.
sub _take_trailers ($self, $start) {
    pos($self->{in}) = $start;
    return 0 unless $self->{in} =~ /\G(?:[^\r\n]+\r?\n)*\r?\n/;
    substr $self->{in}, 0, $+[0], '';
    return 1;
}

sub _closed ($self) {
    $self->{done} = 1;
    my $rest = $self->{request};
    $rest->{body} .= $self->{in} if $rest;
    $rest //= $self->_broken('connection closed inside the head')
        if length $self->{in} && !$self->{busy};
    if ($rest) {
        $rest->{fault} //= 'connection closed inside the body';
        $rest->{gone} = 1;
        $self->{on_request}->($self, $rest);
    }
    delete $self->{request};
    $self->{on_close}->($self);
    return;
}

sub _broken ($self, $fault) {
    my $request = Proctor::Sandbox::Request->new(substr $self->{in}, 0);
    $self->{in} = '';
    $request->{fault} = $fault;
    return $request;
}

sub _has_body ($request, $answer) {
    return 0 if $request->{method} eq 'HEAD';
    return $answer->{status} !~ /^(?:1..|204|304)$/;
}

sub _head ($self, $request, $answer) {
    my $status = $answer->{status};
    my $reason = Mojo::Message::Response->new->default_message($status) || 'Unknown';
    my @headers = @{ $answer->{headers} };
    my %seen = map { lc $_->[0] => 1 } @headers;

    unshift @headers, [ Date => Mojo::Date->new->to_string ] unless $seen{date};
    push @headers, [ 'Content-Length' => length $answer->{body} ]
        unless $seen{'content-length'} || $seen{'transfer-encoding'}
        || $status =~ /^(?:1..|204|304)$/;
    $self->{last} = !$request->keep_alive || $request->{fault};
    push @headers, [ Connection => $self->{last} ? 'close' : 'keep-alive' ]
        unless $seen{connection};

    return join "\r\n", "HTTP/1.1 $status $reason",
        (map {"$_->[0]: $_->[1]"} @headers), '', '';
}

# The body as it is written: whole, or cut for slow delivery; chunk-coded when
# the answer's own headers say so.
sub _pieces ($answer, $pace) {
    my $body = $answer->{body};
    my $size = ($pace // {})->{bytes} || length $body || 1;
    my @pieces = unpack "(a$size)*", $body;
    my $chunked = grep { lc $_->[0] eq 'transfer-encoding' } @{ $answer->{headers} };
    return @pieces unless $chunked;
    return (map { sprintf "%x\r\n%s\r\n", length, $_ } @pieces), "0\r\n\r\n";
}

sub _pace ($self, $pieces, $every, $request) {
    my $piece = shift @$pieces;
    return $self->_write($piece, $request) unless @$pieces;
    return unless $self->{stream};
    $self->{stream}->write($piece);
    Mojo::IOLoop->timer($every => sub { $self->_pace($pieces, $every, $request) });
    return;
}

sub _write ($self, $bytes, $request) {
    return $self->_write_last($bytes) if $self->{last};
    return unless $self->{stream};
    $self->{stream}->write($bytes);
    $self->{busy} = 0;
    $self->_parse;
    return;
}

sub _write_last ($self, $bytes) {
    $self->{done} = 1;
    return unless $self->{stream};
    $self->{stream}->write($bytes);
    $self->{stream}->close_gracefully;
    return;
}

sub _end ($self) {
    $self->{done} = 1;
    $self->{stream}->close if $self->{stream};
    return;
}

# With nothing to linger for, close() sends RST.
sub _reset ($self) {
    return unless $self->{stream};
    setsockopt $self->{stream}->handle, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
    return $self->_end;
}

1;
