package Proctor::Test::Nginx;

# One nginx of a test: its configuration, its processes, its log.
#
# The binary is TEST_NGINX_BINARY (default /usr/sbin/nginx), the module
# TEST_NGINX_MODULE (default build/ngx_http_proctor_module.so).  nginx stays in
# the foreground as a child of the test; only that child and its workers are
# ever signalled.

use strict;
use warnings;

use IO::Socket::INET;
use POSIX ();

use Proctor::Test::Wait qw(connects slurp wait_until);

my $faults = qr/\[(?:alert|crit|emerg)\]|AddressSanitizer|LeakSanitizer
    |runtime\ error:|open\ socket\ \#|exited\ on\ signal/x;


# dir: where everything goes; config: sub (ports) that returns the text
sub new {
    my ($class, %args) = @_;

    return bless {
        %args,
        error_log => "$args{dir}/error.log",
        conf      => "$args{dir}/nginx.conf",
        expected  => [],
    }, $class;
}


sub binary { $ENV{TEST_NGINX_BINARY} // '/usr/sbin/nginx' }


sub write_conf {
    my ($self, $text) = @_;

    ($self->{processes}) = $text =~ /^worker_processes (\d+);/m;
    open my $fh, '>:raw', $self->{conf} or die "$self->{conf}: $!\n";
    print {$fh} $text;
    close $fh or die "$self->{conf}: $!\n";
}


sub command {
    my ($self, $log) = @_;

    return (binary(), '-p', "$self->{dir}/", '-c', $self->{conf},
        '-e', $log // $self->{error_log});
}


sub spawn {
    my ($self, $output, @command) = @_;

    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;

    %ENV = (%ENV, %{ $self->{environment} || {} });
    open STDIN,  '<',  '/dev/null';
    open STDOUT, '>>', $output;
    open STDERR, '>&', \*STDOUT;
    exec @command or POSIX::_exit(127);
}


# `nginx -t`: (true when the configuration is fine, what it said).
sub test {
    my ($self) = @_;

    my $output = "$self->{dir}/nginx-t.out";
    unlink $output;
    my $pid = $self->spawn($output, $self->command('/dev/null'), '-t');
    waitpid $pid, 0;

    return ($? == 0, slurp($output));
}


sub start {
    my ($self, $port) = @_;

    $self->{output} = "$self->{dir}/nginx.out";
    $self->{pid} = $self->spawn($self->{output}, $self->command);

    wait_until("nginx to listen", sub {
        if (waitpid($self->{pid}, POSIX::WNOHANG()) == $self->{pid}) {
            delete $self->{pid};
            die "nginx did not start:\n", slurp($self->{output}),
                slurp($self->{error_log}), "\n";
        }
        return $self->workers == $self->{processes} && connects($port);
    }, 60);

    return $self;
}


# Pids of the workers; those that drain are left out.
sub workers {
    my ($self) = @_;

    my $children = slurp("/proc/$self->{pid}/task/$self->{pid}/children");

    return grep {
        my $title = slurp("/proc/$_/cmdline");
        $title =~ /worker process/ && $title !~ /shutting down/
    } split ' ', $children;
}


sub signal { kill $_[1], $_[0]{pid} }


# HUP; returns when new workers serve and no old one accepts any more.
sub reload {
    my ($self) = @_;

    my %old = map { $_ => 1 } $self->workers;
    $self->signal('HUP');

    wait_until('the new workers', sub {
        my @now = $self->workers;
        return @now == $self->{processes} && !grep { $old{$_} } @now;
    }, 60);
}


# HUP with a configuration that must be refused; returns what nginx said.
sub reload_refused {
    my ($self, $why) = @_;

    my $mark = -s $self->{error_log};
    push @{ $self->{expected} }, $why;
    $self->signal('HUP');

    return wait_until('the refusal', sub {
        my $log = substr slurp($self->{error_log}), $mark;
        my @said = grep { /\[emerg\]/ } split /\n/, $log;
        return @said ? $said[0] : undef;
    }, 60);
}


# QUIT; the master's exit status.
sub stop {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return 0;
    kill 'QUIT', $pid;

    my $done = eval {
        wait_until('nginx to stop',
            sub { waitpid($pid, POSIX::WNOHANG()) == $pid }, 60);
    };
    return $? if $done;

    kill 'KILL', $pid;
    waitpid $pid, 0;
    return -1;
}


# For an end that nobody planned.
sub kill_now {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;
    kill 'TERM', $pid;
    eval {
        wait_until('nginx to end',
            sub { waitpid($pid, POSIX::WNOHANG()) == $pid }, 5);
    } and return;
    kill 'KILL', $pid;
    waitpid $pid, 0;
}


# Lines that may never be there, whatever the test did.
sub faults {
    my ($self) = @_;

    my @lines = split /\n/,
        slurp($self->{error_log}) . "\n" . slurp($self->{output} // '');

    return grep {
        my $line = $_;
        ($line =~ $faults || $line =~ /exited with code [1-9]/)
            && !grep { $line =~ $_ } @{ $self->{expected} };
    } @lines;
}


# Lines of the log that match; for tests of what is said.
sub log_lines {
    my ($self, $match) = @_;

    return grep { $_ =~ $match } split /\n/, slurp($self->{error_log});
}


# Client connections that are open, ours included; port: of stub_status.
sub connections {
    my ($self, $port) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $port) or return -1;
    print {$socket} "GET /status HTTP/1.0\r\n\r\n";
    local $/;
    my $text = <$socket> // '';

    return $text =~ /Active connections: (\d+)/ ? $1 : -1;
}


# Resident memory in KB; undef under a sanitizer, which keeps what was freed.
sub resident {
    my ($pid) = @_;

    return undef if slurp("/proc/$pid/maps") =~ /libasan|libclang_rt/;
    return slurp("/proc/$pid/status") =~ /VmRSS:\s+(\d+)/ ? $1 : 0;
}


# The number of open sockets of all workers, once it stands still: the connection
# of the last request may be about to be closed.
sub sockets {
    my ($self) = @_;

    my ($same, $last) = (0, -1);
    return wait_until('a number of sockets that stands still', sub {
        my $n = grep { (readlink // '') =~ /^socket:/ }
            map { glob "/proc/$_/fd/*" } $self->workers;
        $same = $n == $last ? $same + 1 : 0;
        $last = $n;
        return $same == 5 && $n;
    });
}


# The number of open descriptors of all workers.
sub descriptors {
    my ($self) = @_;

    my $n = 0;
    $n += () = glob "/proc/$_/fd/*" for $self->workers;
    return $n;
}

1;
