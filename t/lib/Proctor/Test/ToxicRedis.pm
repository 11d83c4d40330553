package Proctor::Test::ToxicRedis;

# A proxy between a gateway and a real Redis that does to the replies what a
# network, or something that only looks like Redis, may do.
#
#     my $toxic = Proctor::Test::ToxicRedis->new(to => $redis->socket);
#     $toxic->port;                      # on 127.0.0.1, where the gateway asks
#     $toxic->turns(latency => 0.02, jitter => 0.03);
#     $toxic->turns;                     # into nothing but a wire
#
# From now on, until it turns again, also on connections that are open:
#
#     latency, jitter   seconds that each reply takes
#     slicer            seconds between any two bytes
#     deaf              nothing is read from Redis
#     silent            nothing is said to the gateway
#     refuse            new connections are closed
#     reset, close      so many bytes are said, then RST, or an end
#     corrupt           a bit of each long reply is another
#     twice             each reply again
#     inject            bytes before each reply
#     swap              of two of these commands each gets the other's reply
#     answer, to        bytes for each of these commands, which Redis never gets
#
# A process of its own; turns() returns when the order is in force.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP;
use POSIX ();
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes qw(time);

use Proctor::Test::FakeRedis;

my $json = JSON::PP->new->latin1->canonical;
my ($poison, $select, %ends) = ({});


sub new {
    my ($class, %args) = @_;

    my $self = bless { owner => $$, %args }, $class;
    my $listen = IO::Socket::INET->new(Listen => 64, ReuseAddr => 1,
        LocalAddr => '127.0.0.1', LocalPort => 0) or die "listen: $!\n";
    $self->{port} = $listen->sockport;
    socketpair $self->{orders}, my $orders, Socket::AF_UNIX(),
        Socket::SOCK_STREAM(), 0 or die "socketpair: $!\n";
    $self->{orders}->autoflush;

    $self->{pid} = fork // die "fork: $!\n";
    unless ($self->{pid}) {
        close $self->{orders};
        eval { serve($listen, $orders, $self->{to}) };
        print STDERR $@ if $@;
        POSIX::_exit(1);
    }

    return $self;
}


sub port { $_[0]{port} }


sub turns {
    my ($self, %poison) = @_;

    print { $self->{orders} } $json->encode(\%poison), "\n";
    readline $self->{orders} // die "the proxy is gone\n";
}


sub DESTROY {
    my ($self) = @_;

    local ($?, $!);
    return if $self->{owner} != $$;
    kill 'KILL', $self->{pid};
    waitpid $self->{pid}, 0;
}


# The process: everything below runs there.

sub serve {
    my ($listen, $orders, $to) = @_;

    $SIG{PIPE} = 'IGNORE';
    $orders->autoflush;
    $select = IO::Select->new($listen, $orders);

    while (1) {
        for my $ready ($select->can_read(due())) {
            if ($ready == $listen) {
                admit(scalar $listen->accept, $to);
            } elsif ($ready == $orders) {
                $poison = $json->decode(readline($orders) // POSIX::_exit(0));
                hush();
                print {$orders} "ok\n";
            } elsif (my $end = $ends{$ready}) {
                my $heard = $ready == $end->{client} ? \&ask : \&told;
                leave($end) unless $heard->($end);
            }
        }
        speak($_) or leave($_) for connections();
    }
}


sub connections {
    my %seen;
    return grep { !$seen{$_}++ } values %ends;
}


# Who is deaf does not read; who was hears again.
sub hush {
    for my $end (connections()) {
        $end->{said} = 0;
        say_it($end, $_) for splice @{ $end->{held} };
        $poison->{deaf} ? $select->remove($end->{redis})
            : $select->add($end->{redis});
    }
}


sub due {
    my $due = 1;
    for my $end (connections()) {
        next if $poison->{silent} || !@{ $end->{out} };
        my $left = $end->{out}[0]{at} - time;
        $due = $left < 0.0005 ? 0.0005 : $left if $left < $due;
    }
    return $due;
}


sub admit {
    my ($client, $to) = @_;

    return unless $client;
    my $redis = $poison->{refuse} ? undef
        : IO::Socket::UNIX->new(Peer => $to);
    return close $client unless $redis;

    $_->blocking(0) for $client, $redis;
    $ends{$client} = $ends{$redis} = {
        client => $client, redis => $redis, in => '', from => '',
        due => [], held => [], out => [], said => 0,
    };
    $select->add($client);
    $select->add($redis) unless $poison->{deaf};
}


sub leave {
    my ($end) = @_;

    for my $socket (@$end{qw(client redis)}) {
        delete $ends{$socket};
        $select->remove($socket);
        close $socket;
    }
}


# What the gateway sends.  Each command is due a reply: Redis's, or our bytes.
sub ask {
    my ($end) = @_;

    fill($end->{client}, \$end->{in}) or return 0;
    my $answer = $poison->{answer};

    while (1) {
        my $before = $end->{in};
        my $command = Proctor::Test::FakeRedis::command($end) or last;

        if (defined $answer && grep { $_ eq $command->[0] } @{ $poison->{to} }) {
            push @{ $end->{due} }, [$command->[0], $answer];
            next;
        }
        push @{ $end->{due} }, [$command->[0]];
        $end->{redis}->blocking(1);
        syswrite $end->{redis}, substr $before, 0,
            length($before) - length $end->{in};
        $end->{redis}->blocking(0);
    }

    return deliver($end);
}


sub told {
    my ($end) = @_;

    return fill($end->{redis}, \$end->{from}) && deliver($end);
}


sub fill {
    my ($socket, $bytes) = @_;

    my $n = sysread $socket, $$bytes, 65536, length $$bytes;
    return defined $n ? $n : $!{EAGAIN} || $!{EINTR};
}


sub deliver {
    my ($end) = @_;

    while (@{ $end->{due} }) {
        my ($command, $bytes) = @{ $end->{due}[0] };
        unless (defined $bytes) {
            my $length = length_of(\$end->{from}, 0) // last;
            $bytes = substr $end->{from}, 0, $length, '';
        }
        shift @{ $end->{due} };
        $command eq ($poison->{swap} // '') || @{ $end->{held} }
            ? swap($end, $command, $bytes) : say_it($end, $bytes);
    }

    # a word that nobody asked for: how Redis says that it has no room
    if (!@{ $end->{due} } && length $end->{from}) {
        say_it($end, $end->{from});
        $end->{from} = '';
    }

    return speak($end);
}


# From one of them to the next nothing is said.
sub swap {
    my ($end, $command, $bytes) = @_;

    my $held = $end->{held};
    push @$held, $bytes;
    return if $command ne $poison->{swap} || @$held == 1;

    @$held[0, -1] = @$held[-1, 0];
    say_it($end, $_) for splice @$held;
}


# Where the reply that begins there ends; undef: not here yet.
sub length_of {
    my ($bytes, $at) = @_;

    pos($$bytes) = $at;
    $$bytes =~ /\G([-+:\$*])([^\r]*)\r\n/g or return undef;
    my ($type, $n, $end) = ($1, $2, pos $$bytes);

    return $end if $type =~ /[-+:]/ || $n < 0;
    if ($type eq '$') {
        return length $$bytes >= $end + $n + 2 ? $end + $n + 2 : undef;
    }
    for (1 .. $n) {
        $end = length_of($bytes, $end) // return undef;
    }
    return $end;
}


sub say_it {
    my ($end, $bytes) = @_;

    if ($poison->{corrupt} && length $bytes > 500) {
        substr($bytes, rand length $bytes, 1) ^= "\1";
    }
    $bytes .= $bytes if $poison->{twice};
    $bytes = $poison->{inject} . $bytes if defined $poison->{inject};

    my $at = time + ($poison->{latency} // 0) + rand() * ($poison->{jitter} // 0);
    for my $part ($poison->{slicer} ? split //, $bytes : $bytes) {
        my $last = @{ $end->{out} } ? $end->{out}[-1]{at} : 0;
        $at = $last if $at < $last;
        $at += $poison->{slicer} // 0;
        push @{ $end->{out} }, { bytes => $part, at => $at };
    }
}


# Writes what is due; false when the connection is to end.
sub speak {
    my ($end) = @_;

    my $most = $poison->{reset} // $poison->{close};

    while (!$poison->{silent} && (my $part = $end->{out}[0])) {
        return 1 if $part->{at} > time;

        my $bytes = $part->{bytes};
        $bytes = substr $bytes, 0, $most - $end->{said} if defined $most;
        my $n = syswrite $end->{client}, $bytes;
        return $!{EAGAIN} || $!{EINTR} unless defined $n;

        $end->{said} += $n;
        if (defined $most && $end->{said} >= $most) {
            setsockopt $end->{client}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0
                if exists $poison->{reset};
            return 0;
        }
        substr $part->{bytes}, 0, $n, '';
        shift @{ $end->{out} } unless length $part->{bytes};
    }

    return 1;
}

1;
