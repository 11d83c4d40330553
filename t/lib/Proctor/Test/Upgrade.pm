package Proctor::Test::Upgrade;

# nginx's change of its binary while it serves: USR2, and then the old master
# ends, or the new one does.
#
#     Proctor::Test::Upgrade::adopt_orphans();       # before all else
#     Proctor::Test::Upgrade::start($t);             # of a stopped fixture
#     my $both = Proctor::Test::Upgrade->new($t);    # two masters serve
#     $both->commit;                                 # the old one is gone
#     $both->rollback;                               # or the new one
#
# Only a daemon takes USR2 and WINCH; its parent is gone, and a new master's will
# be.  So this process adopts what is left behind by those that it started: {pid}
# of the fixture's nginx is always a child of ours, the master that is to stay.

use strict;
use warnings;

use POSIX ();
require 'syscall.ph';

use Proctor::Test::Wait qw(connects slurp wait_until);

use constant PR_SET_CHILD_SUBREAPER => 36;


sub adopt_orphans {
    syscall(&SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
        or die "prctl: $!\n";
}


# A text for main: a new binary is given only the variables that this names.
sub environment {
    my ($t) = @_;

    my %environment = $t->teams->environment;
    return join '', map { "env $_;\n" } sort keys %environment,
        grep { /^(?:A|UB)SAN_OPTIONS$/ } keys %ENV;
}


# As a daemon, by a process that ends at once.
sub start {
    my ($t) = @_;

    my $nginx = $t->nginx;
    $nginx->write_conf($t->conf =~ s/^daemon off;/daemon on;/mr);
    $nginx->{output} = "$nginx->{dir}/nginx.out";
    waitpid $nginx->spawn($nginx->{output}, $nginx->command), 0;
    die "nginx did not start:\n", slurp($nginx->{output}) if $?;

    ($nginx->{pid}) = wait_until('a pid file',
        sub { slurp("$nginx->{dir}/nginx.pid") =~ /^(\d+)$/m && $1 });
    serves($t, $nginx->{pid});
}


# A master and all of its workers.
sub serves {
    my ($t, $master) = @_;

    my $nginx = $t->nginx;
    wait_until("master $master to serve", sub {
        local $nginx->{pid} = $master;
        return $nginx->workers == $nginx->{processes} && connects($t->port);
    }, 60);
}


sub new {
    my ($class, $t) = @_;

    my $nginx = $t->nginx;
    my $old = $nginx->{pid};
    my $file = "$nginx->{dir}/nginx.pid";
    $nginx->signal('USR2');

    my $new = wait_until('another master', sub {
        my ($pid) = slurp($file) =~ /^(\d+)$/m;
        return -s "$file.oldbin" && $pid && $pid != $old && $pid;
    }, 60);
    serves($t, $new);

    return bless { t => $t, old => $old, new => $new }, $class;
}


# The old workers finish what they do, and the old master goes.
sub commit {
    my ($self) = @_;

    my $nginx = $self->{t}->nginx;
    kill 'WINCH', $self->{old};
    wait_until('the old workers to end', sub {
        local $nginx->{pid} = $self->{old};
        return !$nginx->workers;
    }, 60);
    gone($self->{old});
    $nginx->{pid} = $self->{new};
}


# The old workers had been told to go, and others take their place.
sub rollback {
    my ($self) = @_;

    my $nginx = $self->{t}->nginx;
    kill 'WINCH', $self->{old};
    wait_until('the old workers to end', sub { !$nginx->workers }, 60);
    kill 'HUP', $self->{old};
    serves($self->{t}, $self->{old});
    gone($self->{new});
    my $file = "$nginx->{dir}/nginx.pid";
    wait_until('its pid file', sub {
        slurp($file) =~ /^$self->{old}$/m && !-e "$file.oldbin";
    }, 60);
}


sub gone {
    my ($pid) = @_;

    kill 'QUIT', $pid;
    wait_until("master $pid to end", sub {
        waitpid $pid, POSIX::WNOHANG();
        return !-e "/proc/$pid";
    }, 60);
}

1;
