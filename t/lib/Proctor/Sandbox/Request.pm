package Proctor::Sandbox::Request;

# One request as it arrived: the raw head, what it means, the decoded body.
#
# Made by Connection.pm from the head's bytes; nothing is normalised, so that
# what the log shows is what was sent.  `fault` is set when the bytes are not
# a request this server can read; it is then answered with 400.

use strict;
use warnings;
use feature 'signatures';
no warnings 'experimental::signatures';

use Mojo::JSON qw(decode_json);
use Mojo::Util qw(url_unescape);

# Containers nested deeper than this are not decoded: Perl frees them by
# recursion.
use constant DEPTH_LIMIT => 2000;

sub new ($class, $head) {
    my $self = bless {
        head    => $head,
        method  => '',
        target  => '',
        version => '',
        headers => [],
        body    => '',
    }, $class;
    $self->{fault} = $self->_read_head || $self->_read_framing;
    return $self;
}

# All values of a header, joined as a WSGI server joins them.
sub header ($self, $name) {
    my @values = $self->headers($name);
    return @values ? join(',', @values) : undef;
}

sub headers ($self, $name) {
    return map { $_->[1] } grep { lc $_->[0] eq lc $name } @{ $self->{headers} };
}

sub path ($self) {
    return (split /\?/, $self->{target}, 2)[0] // '';
}

sub query ($self) {
    return (split /\?/, $self->{target}, 2)[1] // '';
}

# The last value of a query parameter, as Django and Plug read it.
sub param ($self, $name) {
    $self->{params} //= { _pairs($self->query) };
    return $self->{params}{$name};
}

# The body as an object; what is none counts as an empty one.
sub json ($self) {
    $self->{json} //= _object($self->{body});
    return $self->{json};
}

sub keep_alive ($self) {
    my $connection = lc($self->header('Connection') // '');
    return $connection =~ /\bkeep-alive\b/ if $self->{version} eq 'HTTP/1.0';
    return $connection !~ /\bclose\b/;
}

sub _read_head ($self) {
    my ($start, @lines) = split /\r?\n/, $self->{head};
    $start //= '';
    my ($method, $target, $version) = $start =~ m{^(\S+) (\S+) (HTTP/\d\.\d)$}
        or return 'malformed request line';
    @$self{qw(method target version)} = ($method, $target, $version);

    my $fault;
    for my $line (@lines) {
        if ($line =~ /^([^\s:]+):[ \t]*(.*?)[ \t]*$/s) {
            push @{ $self->{headers} }, [ $1, $2 ];
        }
        else {
            $fault = 'malformed header line';
        }
    }
    return $fault;
}

# How long the body is: a number of bytes, or chunked.
sub _read_framing ($self) {
    my @lengths = $self->headers('Content-Length');
    my @codings = $self->headers('Transfer-Encoding');

    return 'both Content-Length and Transfer-Encoding' if @lengths && @codings;
    return 'more than one Content-Length'              if @lengths > 1;
    return 'malformed Content-Length' if @lengths && $lengths[0] !~ /^\d{1,15}$/;
    return 'unknown Transfer-Encoding'
        if @codings && (@codings > 1 || lc $codings[0] ne 'chunked');

    $self->{chunked} = 1 if @codings;
    $self->{length} = @lengths ? $lengths[0] + 0 : 0;
    return undef;
}

sub _pairs ($query) {
    my @pairs;
    for my $piece (split /&/, $query) {
        my ($name, $value) = map { tr/+/ /; url_unescape($_) } split /=/, $piece, 2;
        push @pairs, $name, $value // '' if defined $name;
    }
    return @pairs;
}

sub _object ($bytes) {
    return {} if $bytes =~ /(?:[\[{]\s*){${\DEPTH_LIMIT}}/;
    my $value = eval { decode_json($bytes) };
    return ref $value eq 'HASH' ? $value : {};
}

1;
