package Proctor::Test::Strace;

# System calls of a process that fail, are late, or are its last.
#
#     my $why = Proctor::Test::Strace::missing();      # undef: it works here
#     my $s = Proctor::Test::Strace->new($pid, '-e', 'inject=fdatasync:...');
#     $s->stop;
#
# All threads of the process are traced; with -1 as the first argument only its
# first one, which is the event loop.  Calls are counted in each thread.

use strict;
use warnings;

use POSIX ();

use Proctor::Test::Wait qw(slurp wait_until);


sub new {
    my ($class, $pid, @args) = @_;

    my $self = bless { traced => $pid }, $class;
    my $one = @args && $args[0] eq '-1' && shift @args;

    $self->{pid} = fork // die "fork: $!\n";
    unless ($self->{pid}) {
        open STDIN,  '<',  '/dev/null';
        open STDOUT, '>>', '/dev/null';
        open STDERR, '>&', \*STDOUT;
        exec 'strace', $one ? () : '-f', '-qq', '-o', '/dev/null', @args, '-p', $pid
            or POSIX::_exit(127);
    }

    # each thread is taken by itself
    wait_until('strace', sub {
        die "strace ended\n" if waitpid($self->{pid}, POSIX::WNOHANG());
        my @threads = glob "/proc/$pid/task/" . ($one ? $pid : '*');
        return !@threads
            || !grep { slurp("$_/status") !~ /^TracerPid:\s+[1-9]/m } @threads;
    });

    return $self;
}


sub stop {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;

    # it may wait for threads of a process that was killed
    for my $signal ('INT', 'KILL') {
        kill $signal, $pid;
        return if eval {
            wait_until('strace to end',
                sub { waitpid($pid, POSIX::WNOHANG()) == $pid }, 1);
        };
    }
}


sub DESTROY { $_[0]->stop }


sub missing {
    my $pid = fork // die "fork: $!\n";
    unless ($pid) {
        sleep 30;
        POSIX::_exit(0);
    }

    my $works = eval { Proctor::Test::Strace->new($pid)->stop; 1 };
    kill 'KILL', $pid;
    waitpid $pid, 0;

    return $works ? undef : 'strace cannot trace here';
}

1;
