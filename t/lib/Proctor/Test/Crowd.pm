package Proctor::Test::Crowd;

# Many requests at once from one process, so that it is known which answer came
# before which request was sent.
#
#     my $crowd = Proctor::Test::Crowd->new;
#     $crowd->ask($port, $bytes, sub { my ($answer) = @_; ... });
#     $crowd->turn(0.1) while $crowd->flying;
#
# Each request has a connection of its own and says "Connection: close".  The
# sub is called once: with { status, head, body, since }, or with undef when
# the connection ended before the answer was whole, or nothing came in 20 s.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(time);

my $patience = 20;


sub new { return bless { calls => {}, select => IO::Select->new }, $_[0] }


sub flying { return scalar keys %{ $_[0]{calls} } }


# False when there was no connection to be had.
sub ask {
    my ($self, $port, $bytes, $heard) = @_;

    my $socket = IO::Socket::INET->new(Proto => 'tcp',
        PeerAddr => '127.0.0.1', PeerPort => $port) or return 0;

    print {$socket} $bytes;
    $socket->flush;

    $self->{select}->add($socket);
    $self->{calls}{ fileno $socket } = {
        socket => $socket, heard => $heard, bytes => '', since => time,
    };
    return 1;
}


# Hears what has come, waiting for no longer than this.
sub turn {
    my ($self, $seconds) = @_;

    for my $socket ($self->{select}->can_read($seconds)) {
        my $call = $self->{calls}{ fileno $socket };
        sysread $socket, $call->{bytes}, 65536, length $call->{bytes}
            or $self->end($call, whole($call));
    }

    for my $call (values %{ $self->{calls} }) {
        $self->end($call, undef) if time - $call->{since} > $patience;
    }
}


sub end {
    my ($self, $call, $answer) = @_;

    delete $self->{calls}{ fileno $call->{socket} };
    $self->{select}->remove($call->{socket});
    close $call->{socket};
    $call->{heard}->($answer);
}


sub whole {
    my ($call) = @_;

    my ($head, $body) = split /\r\n\r\n/, $call->{bytes}, 2;
    my ($status) = ($head // '') =~ m{\AHTTP/1.1 (\d\d\d) } or return undef;

    if ($head =~ /^Transfer-Encoding: chunked/mi) {
        $body = joined($body) // return undef;

    } elsif ($head =~ /^Content-Length: (\d+)/mi) {
        return undef if length $body != $1;
    }

    return {
        status => $status, head => $head, body => $body,
        since  => $call->{since},
    };
}


sub joined {
    my ($rest) = @_;

    my $body = '';
    while ($rest =~ s/\A([0-9a-fA-F]+)\r\n//) {
        my $length = hex $1;
        return $body unless $length;
        return undef if length $rest < $length + 2;
        $body .= substr $rest, 0, $length;
        substr $rest, 0, $length + 2, '';
    }
    return undef;
}

1;
