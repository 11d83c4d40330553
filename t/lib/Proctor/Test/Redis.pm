package Proctor::Test::Redis;

# A real redis-server of a test, on a unix socket, and what can befall it.
#
#     my $redis = Proctor::Test::Redis->new(dir => $dir);
#     $redis->command('SET', 'k', 'v');     # dies at an error reply
#     $redis->try('GET', 'k');              # the reply as it is
#     $redis->freeze; $redis->thaw;         # SIGSTOP and SIGCONT
#     $redis->kill; $redis->start;
#     Proctor::Test::Redis::key_with(qr/x/);    # of all servers: a key's name
#
# Replies: strings as strings, numbers as numbers, nil as undef, arrays as
# array references, errors (of try) as references to their text.  Only the
# server that was started here is ever signalled.

use strict;
use warnings;

use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Scalar::Util qw(weaken);

use Proctor::Test::Wait qw(slurp wait_until);

# by process id: those that run
my %servers;

# how to read all of a key
my %readers = (
    string => sub { ('GET', $_[0]) },
    hash   => sub { ('HGETALL', $_[0]) },
    list   => sub { ('LRANGE', $_[0], 0, -1) },
    set    => sub { ('SMEMBERS', $_[0]) },
    zset   => sub { ('ZRANGE', $_[0], 0, -1) },
    stream => sub { ('XRANGE', $_[0], '-', '+') },
);


# dir: where its socket and files go; args: of redis-server; port: also TCP;
# file: of its configuration
sub new {
    my ($class, %args) = @_;

    my $self = bless { args => [], port => 0, owner => $$, %args }, $class;
    $self->{socket} //= "$self->{dir}/redis.sock";
    mkdir $self->{dir};

    return $self->start;
}


sub socket { $_[0]{socket} }
sub pid    { $_[0]{pid} }


sub start {
    my ($self, @more) = @_;

    my $pid = fork // die "fork: $!\n";

    unless ($pid) {
        open STDIN,  '<',  '/dev/null';
        open STDOUT, '>>', "$self->{dir}/redis.log";
        open STDERR, '>&', \*STDOUT;
        exec 'redis-server', $self->{file} || (), '--port', $self->{port}, '--bind', '127.0.0.1',
            '--unixsocket', $self->{socket}, '--dir', $self->{dir},
            '--save', '', '--enable-debug-command', 'yes',
            @{ $self->{args} }, @more
            or POSIX::_exit(127);
    }

    $self->{pid} = $pid;
    weaken($servers{$pid} = $self);

    wait_until('redis-server', sub {
        die "redis-server ended:\n", slurp("$self->{dir}/redis.log")
            if waitpid($pid, POSIX::WNOHANG()) == $pid;
        return $self->connection;
    });

    return $self;
}


# A connection, to speak to it directly.
sub connection {
    my ($self) = @_;

    return IO::Socket::UNIX->new(Peer => $self->{socket});
}


sub command {
    my ($self, @command) = @_;

    my $reply = $self->try(@command);
    die "@command: $$reply\n" if ref $reply eq 'SCALAR';
    return $reply;
}


sub try {
    my ($self, @command) = @_;

    return ask($self->session, @command);
}


# A connection that has said who it is.
sub session {
    my ($self) = @_;

    my $socket = $self->connection or die "redis: $!\n";
    ask($socket, @$_) for $self->{login} || ();
    return $socket;
}


sub ask {
    my ($socket, @command) = @_;

    print {$socket} render(@command);
    return reply($socket);
}


# The first of our keys, in a server that this process runs, whose name or value
# matches; undef: none.
sub key_with {
    my ($pattern) = @_;

    for my $self (grep { $_ && $_->{owner} == $$ } values %servers) {
        # frozen, or its directory went with the fixture's
        next if slurp("/proc/$self->{pid}/stat") =~ /\) T / || !-e $self->{socket};
        my $socket = $self->session;
        my $keys = ask($socket, 'KEYS', 'proctor:*');
        next if ref $keys ne 'ARRAY';    # or it lets nobody in

        for my $key (@$keys) {
            my $reader = $readers{ ask($socket, 'TYPE', $key) } or next;
            return $key if grep { /$pattern/ }
                $key, texts(ask($socket, $reader->($key)));
        }
    }
    return;
}


# The strings of a reply, however deep.
sub texts {
    return map { ref eq 'ARRAY' ? texts(@$_) : defined && !ref ? $_ : () } @_;
}


# Sends without waiting for a reply; the socket keeps the command alive.
sub begin {
    my ($self, @command) = @_;

    my $socket = $self->connection or die "redis: $!\n";
    print {$socket} render(@command);
    $socket->flush;
    return $socket;
}


sub render {
    return join '', '*' . @_ . "\r\n",
        map { '$' . length($_) . "\r\n$_\r\n" } @_;
}


sub reply {
    my ($socket) = @_;

    local $/ = "\r\n";
    my $line = <$socket> // die "redis closed the connection\n";
    chomp $line;
    my ($type, $rest) = $line =~ /\A(.)(.*)\z/s or die "no reply: $line\n";

    return $rest if $type eq '+' || $type eq ':';
    return \$rest if $type eq '-';
    return undef if $rest < 0;
    return [map { reply($socket) } 1 .. $rest] if $type eq '*';

    my $data = '';
    while (length $data < $rest + 2) {
        read $socket, $data, $rest + 2 - length $data, length $data
            or die "redis closed the connection\n";
    }
    return substr $data, 0, $rest;
}


# Names of the gateways' connections.
sub clients {
    my ($self) = @_;

    my $list = $self->command('CLIENT', 'LIST');
    return $list =~ /\bname=(proctor-\S+)/g;
}


# Commands and their count, as the server saw them: { 'ping' => 3, ... }
sub calls {
    my ($self) = @_;

    my $stats = $self->command('INFO', 'commandstats');
    return { $stats =~ /^cmdstat_([^:]+):calls=(\d+)/mg };
}


sub freeze { CORE::kill 'STOP', $_[0]{pid} }
sub thaw   { CORE::kill 'CONT', $_[0]{pid} }


# Ends it without a word to anybody.
sub kill {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;
    delete $servers{$pid};
    CORE::kill 'CONT', $pid;
    CORE::kill 'KILL', $pid;
    waitpid $pid, 0;
}


sub DESTROY {
    my ($self) = @_;

    local ($?, $!);
    $self->kill if $self->{owner} == $$;
}

1;
