package Proctor::Test::Versions;

# An upstream whose experiments have versions: for tests of what a cache may
# answer after a write.
#
#     my $upstream = Proctor::Test::Versions->new(delay => 0.02);
#     $upstream->port; $upstream->stop;
#
# A process of its own.  Each bearer key is an account with a world of its own.
# GET of an experiment answers what it was when the request came, GET of the
# list the sum of all; PATCH raises the version by one somewhere between the
# request and the answer.  Every answer takes up to `delay` seconds, so that a
# read often overtakes or outlives a write.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(time);


sub new {
    my ($class, %args) = @_;

    my $listen = IO::Socket::INET->new(Listen => 256, Blocking => 0,
        LocalAddr => '127.0.0.1', LocalPort => 0, ReuseAddr => 1)
        or die "listen: $!\n";

    my $self = bless { delay => 0.02, port => $listen->sockport,
        owner => $$, %args }, $class;

    $self->{pid} = fork // die "fork: $!\n";
    unless ($self->{pid}) {
        $SIG{TERM} = $SIG{INT} = sub { POSIX::_exit(0) };
        eval { $self->serve($listen) };
        print STDERR "Versions: $@";
        POSIX::_exit(1);
    }

    return $self;
}


sub port { $_[0]{port} }


sub stop {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;
    kill 'TERM', $pid;
    waitpid $pid, 0;
}


sub DESTROY {
    my ($self) = @_;

    local ($?, $!);
    $self->stop if $self->{owner} == $$;
}


sub serve {
    my ($self, $listen) = @_;

    my $select = IO::Select->new($listen);
    my %buffer;
    $self->{due} = [];

    for (;;) {
        for my $socket ($select->can_read($self->patience)) {
            if ($socket == $listen) {
                my $new = $listen->accept or next;
                $new->blocking(1);
                $select->add($new);
                $buffer{ fileno $new } = '';
                next;
            }

            my $buffer = \$buffer{ fileno $socket };
            if (!sysread $socket, $$buffer, 65536, length $$buffer) {
                $select->remove($socket);
                close $socket;
                next;
            }

            while ($$buffer =~ /\A(.*?\r\n\r\n)/s) {
                my $head = $1;
                my ($length) = $head =~ /^Content-Length: (\d+)/mi;
                my $whole = length($head) + ($length // 0);
                last if length $$buffer < $whole;
                substr $$buffer, 0, $whole, '';
                $self->begin($socket, $head);
            }
        }
        $self->finish;
    }
}


# Seconds until something is due.
sub patience {
    my ($self) = @_;

    my $wait = 1;
    for (@{ $self->{due} }) {
        my $left = $_->{at} - time;
        $wait = $left if $left < $wait;
    }
    return $wait < 0 ? 0 : $wait;
}


sub begin {
    my ($self, $socket, $head) = @_;

    my ($method, $path) = $head =~ m{\A(\w+) ([^ ?]+)};
    my ($key) = $head =~ /^Authorization: Bearer (\S+)/mi;
    my %answer = (socket => $socket, key => $key, path => $path);

    if ($method eq 'GET') {
        $self->put(0, sub { $self->reply(\%answer) }, rand $self->{delay});
        $answer{body} = $self->body($key, $path);
        return;
    }

    my $happens = rand $self->{delay};
    $self->put($happens, sub { $self->{world}{$key}{$path}++ }, 0);
    $self->put($happens, sub {
        $answer{body} = $self->body($key, $path);
        $self->reply(\%answer);
    }, rand $self->{delay});
}


sub put {
    my ($self, $from, $what, $delay) = @_;

    push @{ $self->{due} }, { at => time + $from + $delay, what => $what };
}


sub finish {
    my ($self) = @_;

    my $now = time;
    my @due = sort { $a->{at} <=> $b->{at} }
        grep { $_->{at} <= $now } @{ $self->{due} };
    @{ $self->{due} } = grep { $_->{at} > $now } @{ $self->{due} };
    $_->{what}->() for @due;
}


# Terminal, so that the contract lets it be cached for long.
sub body {
    my ($self, $key, $path) = @_;

    my $world = $self->{world}{$key} //= {};
    my ($id) = $path =~ m{/([^/]+)/\z};
    my $version = $world->{$path} // 0;

    if ($id eq 'list') {
        $version = 0;
        $version += $_ for values %$world;
        return qq({"count":$version,"results":[],"next":null,)
            . qq("previous":null,"account":"$key"});
    }

    return qq({"id":"$id","name":"v$version","status":"completed",)
        . qq("count":$version,"account":"$key"});
}


sub reply {
    my ($self, $answer) = @_;

    my $length = length $answer->{body};
    return unless $answer->{socket}->opened;
    local $SIG{PIPE} = 'IGNORE';
    print { $answer->{socket} } "HTTP/1.1 200 OK\r\n"
        . "Content-Type: application/json\r\nContent-Length: $length\r\n\r\n"
        . $answer->{body};
    $answer->{socket}->flush;
}

1;
