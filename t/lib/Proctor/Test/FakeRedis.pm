package Proctor::Test::FakeRedis;

# A Redis that lies.  It answers what the test tells it to, on a unix socket (or,
# with a port, there), in a process of its own.
#
#     my $fake = Proctor::Test::FakeRedis->new(dir => $dir);
#     $fake->lie('PING', '-LOADING wait');      # from now on
#     $fake->lie('EVALSHA', raw => "*100000000\r\n");
#     $fake->honest;                            # like the real one again
#     $fake->count('PING');                     # how many came so far
#     $fake->stop;
#
# A lie is a reply line (after: so many seconds later), or: raw (bytes), twice (the honest reply two times),
# silent, close, reset (half of a reply, then RST), drip (the honest reply, a
# byte at a time each `drip` seconds), endless (bytes without an end), early
# (the honest reply, before and unasked for).  It holds for connections that
# are open, too.  The orders travel over a second socket, and are in force when
# lie() returns.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP;
use POSIX ();
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes qw(time sleep);

use Proctor::Test::Wait qw(wait_until);

my $json = JSON::PP->new->latin1->canonical->allow_nonref;


sub new {
    my ($class, %args) = @_;

    my $self = bless { owner => $$, %args }, $class;
    mkdir $self->{dir};
    $self->{socket}  //= "$self->{dir}/fake.sock";
    $self->{control} //= "$self->{dir}/fake.control";

    my @listen = map {
        unlink $_;
        IO::Socket::UNIX->new(Local => $_, Listen => 64)
            // die "$_: $!\n"
    } @$self{qw(socket control)};
    $listen[0] = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $self->{port}, Listen => 64, ReuseAddr => 1)
        // die "$self->{port}: $!\n" if $self->{port};

    $self->{pid} = fork // die "fork: $!\n";
    unless ($self->{pid}) {
        eval { serve(@listen) };
        print STDERR $@ if $@;
        POSIX::_exit($@ ? 1 : 0);
    }
    $_->close for @listen;

    return $self;
}


sub socket { $_[0]{socket} }


sub lie {
    my ($self, $command, @lie) = @_;

    unshift @lie, 'line' if @lie == 1 && $lie[0] =~ /\A[-+:\$*]/;
    push @lie, 1 if @lie == 1;
    return $self->order({ lie => $command, @lie });
}


sub honest { $_[0]->order({ honest => 1 }) }
sub count  { $_[0]->order({ count => $_[1] }) }


sub order {
    my ($self, $order) = @_;

    my $socket = IO::Socket::UNIX->new(Peer => $self->{control})
        or die "the fake Redis is gone: $!\n";
    print {$socket} $json->encode($order), "\n";
    my $answer = <$socket> // die "the fake Redis did not answer\n";
    return $json->decode($answer);
}


sub stop {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return 0;
    CORE::kill 'TERM', $pid;
    waitpid $pid, 0;
    return $?;
}


sub DESTROY {
    my ($self) = @_;

    local ($?, $!);
    $self->stop if $self->{owner} == $$;
}


# The process: everything below runs there.

my (%lies, %seen, %clients);


sub serve {
    my ($listen, $control) = @_;

    $SIG{PIPE} = 'IGNORE';
    my $select = IO::Select->new($listen, $control);

    while (1) {
        for my $ready ($select->can_read(due())) {
            if ($ready == $listen) {
                my $client = $listen->accept or next;
                $client->blocking(0);
                $clients{$client} = { socket => $client, in => '', out => [] };
                $select->add($client);
            } elsif ($ready == $control) {
                obey($control->accept);
            } else {
                my $client = $clients{$ready} or next;
                listen_to($client) or leave($select, $client);
            }
        }

        for my $client (values %clients) {
            speak($client) or leave($select, $client);
        }
    }
}


sub leave {
    my ($select, $client) = @_;

    $select->remove($client->{socket});
    delete $clients{ $client->{socket} };
    close $client->{socket};
}


# Seconds until something is to be said.
sub due {
    my $due = 10;
    for my $client (values %clients) {
        next unless @{ $client->{out} };
        my $left = ($client->{out}[0]{at} // 0) - time;
        $due = $left < 0.0005 ? 0.0005 : $left if $left < $due;
    }
    return $due;
}


sub obey {
    my ($socket) = @_;

    my $order = $json->decode(scalar <$socket>);

    if ($order->{honest}) {
        %lies = ();
    } elsif (exists $order->{lie}) {
        $lies{ $order->{lie} } = $order;
    }

    print {$socket} $json->encode($seen{ $order->{count} // '' } // 0), "\n";
    close $socket;
}


sub listen_to {
    my ($client) = @_;

    my $n = sysread $client->{socket}, $client->{in}, 65536,
        length $client->{in};
    return 1 if !defined $n && ($!{EAGAIN} || $!{EINTR});
    return 0 unless $n;

    while (defined(my $command = command($client))) {
        $seen{ $command->[0] }++;
        answer($client, $command);
    }

    return 1;
}


# The next whole command of what came in.
sub command {
    my ($client) = @_;

    my ($head, $n) = $client->{in} =~ /\A(\*(\d+)\r\n)/ or return;
    my ($at, @command) = (length $head);

    for (1 .. $n) {
        pos($client->{in}) = $at;
        $client->{in} =~ /\G\$(\d+)\r\n/ or return;
        $at = $+[0];
        return if length $client->{in} < $at + $1 + 2;
        push @command, substr $client->{in}, $at, $1;
        $at += $1 + 2;
    }

    substr $client->{in}, 0, $at, '';
    return \@command;
}


sub answer {
    my ($client, $command) = @_;

    my $lie = $lies{ $command->[0] } // $lies{'*'} // {};
    my $true = truth($command);
    my $out = $client->{out};

    return if $lie->{silent};

    push @$out,
        exists $lie->{line} ? { bytes => "$lie->{line}\r\n",
            at => time + ($lie->{after} // 0) }
        : exists $lie->{raw} ? { bytes => $lie->{raw} }
        : $lie->{twice} ? { bytes => $true x 2 }
        : $lie->{later} ? ({ bytes => $true },
            { bytes => $true, at => time + $lie->{later} })
        : $lie->{close} ? { close => 1 }
        : $lie->{reset} ? ({ bytes => substr $true, 0, length($true) / 2 },
            { reset => 1 })
        : $lie->{drip} ? (map { { bytes => $_, drip => $lie->{drip} } }
            split //, $true)
        : $lie->{endless} ? { endless => $lie->{endless} }
        : { bytes => $true };
}


sub truth {
    my ($command) = @_;

    my ($name, @args) = @$command;

    return "+PONG\r\n" if $name eq 'PING';
    if ($name eq 'SCRIPT') {
        require Digest::SHA;
        return "\$40\r\n" . Digest::SHA::sha1_hex($args[1]) . "\r\n";
    }
    if ($name =~ /\AEVAL/) {
        my $now = int time;
        return "*2\r\n\$" . length($now) . "\r\n$now\r\n\$1\r\n0\r\n";
    }
    return "+OK\r\n";
}


# Writes what is due; false when the connection is to end.
sub speak {
    my ($client) = @_;

    my $out = $client->{out};

    while (my $part = $out->[0]) {
        return 1 if ($part->{at} // 0) > time;
        return 0 if $part->{close};

        if ($part->{reset}) {
            setsockopt $client->{socket}, SOL_SOCKET, SO_LINGER,
                pack 'ii', 1, 0;
            return 0;
        }

        my $bytes = $part->{endless} ? $part->{endless} x 256 : $part->{bytes};
        my $n = syswrite $client->{socket}, $bytes;
        return $!{EAGAIN} || $!{EINTR} unless defined $n;
        return 1 if $part->{endless};

        substr $part->{bytes}, 0, $n, '';
        next if length $part->{bytes};
        shift @$out;
        $out->[0]{at} = time + $part->{drip} if $part->{drip} && @$out;
    }

    return 1;
}

1;
