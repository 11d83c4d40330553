package Proctor::Test::Callers;

# Clients in processes of their own, which make durable calls one after another,
# each on a connection of its own, until they are told to stop.
#
#     my $callers = Proctor::Test::Callers->new($t, 4);
#     ...                             # workers are killed, files are moved
#     my %told = $callers->stop;      # request id => status; 0: no answer
#
# Every fourth call is a read.  No server, and no answer, is waited for a
# moment, and then another call is made.

use strict;
use warnings;

use POSIX ();
use Time::HiRes qw(sleep);

use Proctor::Test::Wait qw(slurp);

my $path = '/api/v2/experiments/e/';
my $serial = 0;


sub new {
    my ($class, $t, $n) = @_;

    my $self = bless { clients => {} }, $class;

    for (1 .. $n) {
        my $name = 'c' . ++$serial;
        my $log = "$t->{dir}/$name";
        my $pid = fork // die "fork: $!\n";
        unless ($pid) {
            call($t, $name, $log);
            POSIX::_exit(0);
        }
        $self->{clients}{$pid} = $log;
    }

    return $self;
}


sub call {
    my ($t, $name, $log) = @_;

    my $end = 0;
    local $SIG{TERM} = sub { $end = 1 };
    my $term = POSIX::SigSet->new(POSIX::SIGTERM);
    open my $out, '>', $log or POSIX::_exit(1);
    $out->autoflush(1);

    for (my $n = 1; !$end; $n++) {
        my $method = $n % 4 ? 'DELETE' : 'GET';
        my $rid = "$name-" . lc($method) . "-$n";
        POSIX::sigprocmask(POSIX::SIG_BLOCK, $term); # would end a read
        my $r = eval {
            $t->request($method => $path, key => 'admin', rid => $rid);
        };
        POSIX::sigprocmask(POSIX::SIG_UNBLOCK, $term);
        my $status = $r && !$r->{closed} ? $r->{status} : 0;
        print {$out} "$rid $status\n";
        sleep 0.01 unless $status;
    }
}


# Lets them finish what they do.
sub stop {
    my ($self) = @_;

    my %told;
    my $clients = delete $self->{clients} or return;
    kill 'TERM', $_ for keys %$clients;

    for my $pid (keys %$clients) {
        waitpid $pid, 0;
        die "a client ended with $?\n" if $?;
        %told = (%told, slurp($clients->{$pid}) =~ /^(\S+) (\d+)\n/mg);
    }

    return %told;
}


# Those of durable calls, and of a success.
sub durable   { return grep { !/-get-/ } @_ }
sub successes { my (%told) = @_; return grep { $told{$_} == 200 } durable(keys %told) }


sub DESTROY { kill 'KILL', keys %{ $_[0]{clients} || {} } }

1;
