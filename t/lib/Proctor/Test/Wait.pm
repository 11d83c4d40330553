package Proctor::Test::Wait;

# Waiting for events, with an end: no test sleeps for a time and hopes.

use strict;
use warnings;

use Exporter 'import';
use IO::Socket::INET;
use Time::HiRes qw(time sleep);

our @EXPORT_OK = qw(wait_until free_ports slurp connects freeze);

my $pause = 0.005;


# Returns the first true value of $check, or dies naming $what.
sub wait_until {
    my ($what, $check, $seconds) = @_;

    my $end = time + ($seconds // 10);

    while (1) {
        my $value = $check->();
        return $value if $value;
        die "waited in vain for $what\n" if time > $end;
        sleep $pause;
    }
}


# SIGSTOP, and the process stands still: until then a worker may be woken for a
# connection, for which nginx wakes no other (EPOLLEXCLUSIVE).
sub freeze {
    my ($pid) = @_;

    kill 'STOP', $pid;
    wait_until("$pid to stand still",
        sub { slurp("/proc/$pid/status") =~ /^State:\s+T/m });
}


# Ports of 127.0.0.1 that nobody listens on; all are held until all are known.
sub free_ports {
    my ($n) = @_;

    my @sockets = map {
        IO::Socket::INET->new(
            LocalAddr => '127.0.0.1', LocalPort => 0,
            Listen => 1, ReuseAddr => 1,
        ) || die "no free port: $!\n"
    } 1 .. $n;

    return map { $_->sockport } @sockets;
}


sub connects {
    my ($port) = @_;

    return defined IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 1);
}


# The whole file as bytes; '' when it is not there.
sub slurp {
    my ($path) = @_;

    open my $fh, '<:raw', $path or return '';
    local $/;
    return <$fh> // '';
}

1;
