package Proctor::Test::Strace;

# System calls of a process that fail, are late, or are its last.
#
#     my $why = Proctor::Test::Strace::missing();      # undef: it works here
#     my $s = Proctor::Test::Strace->new($pid, '-e', 'inject=fdatasync:...');
#     $s->stop;
#     my @calls = $s->calls;
#
# All threads of the process are traced; with -1 as the first argument only its
# first one, which is the event loop, with -T all but that one.  Calls are
# counted in each thread.  Of a call is known: tid, name, args (text), result,
# after (how many had ended when it began), and injected, when it was made to
# fail.

use strict;
use warnings;

use File::Temp ();
use POSIX ();

use Proctor::Test::Wait qw(slurp wait_until);


sub new {
    my ($class, $pid, @args) = @_;

    my $self = bless { traced => $pid, log => File::Temp->new }, $class;
    my $which = @args && $args[0] =~ /\A-[1T]\z/ ? shift @args : '';
    my $threads = sub {
        return grep { !$which || ($which eq '-1') == ($_ == $pid) }
            map { m{(\d+)\z} } glob "/proc/$pid/task/*";
    };
    my @pids = $which ? map { ('-p', $_) } $threads->() : ('-f', '-p', $pid);

    $self->{pid} = fork // die "fork: $!\n";
    unless ($self->{pid}) {
        open STDIN,  '<',  '/dev/null';
        open STDOUT, '>>', '/dev/null';
        open STDERR, '>&', \*STDOUT;
        exec 'strace', '-qq', '-o', "$self->{log}", @args, @pids
            or POSIX::_exit(127);
    }

    # each thread is taken by itself
    wait_until('strace', sub {
        die "strace ended\n" if waitpid($self->{pid}, POSIX::WNOHANG());
        return !grep { slurp("/proc/$pid/task/$_/status")
            !~ /^TracerPid:\s+[1-9]/m } $threads->();
    });

    return $self;
}


# What was traced so far, each call when it has come to its end.  One that
# another thread's came between stands on two lines.
sub calls {
    my ($self) = @_;

    my (%begun, @calls);
    for my $line (split /\n/, slurp("$self->{log}")) {
        my ($tid, $text) = $line =~ /\A(?:(\d+)\s+)?(.*)\z/;
        $tid //= $self->{traced};
        if ($text =~ s{ <unfinished \.\.\.>\z}{}) {
            $begun{$tid} = [$text, scalar @calls];
            next;
        }
        my $after = @calls;
        if ($text =~ s{\A<\.\.\. \w+ resumed>}{}) {
            my $begun = delete $begun{$tid} or next;
            ($text, $after) = ($begun->[0] . $text, $begun->[1]);
        }
        my ($name, $args, $result) =
            $text =~ /\A(\w+)\((.*)\)\s+= (-?\d+)/ or next;
        push @calls, { tid => $tid, name => $name, args => $args,
            result => $result, after => $after,
            injected => $text =~ /\(INJECTED\)/ ? 1 : 0 };
    }
    return @calls;
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
