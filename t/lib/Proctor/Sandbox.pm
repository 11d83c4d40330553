package Proctor::Sandbox;

# A stand-in for both upstream APIs, for tests and for trying the gateway out.
#
# It keeps state, checks its own API keys, limits calls when told to, and logs
# the exact bytes it received.  It does not validate what the gateway is there
# to catch: a request that slips through is answered, and so noticed.
#
# Who does what: Connection.pm and Request.pm speak HTTP, Behaviour.pm keeps
# the misbehaviour that tests order, Respan.pm and Prefactor.pm are the APIs,
# Control.pm is what tests talk to under /_sandbox/.  This file joins them.
#
# The clock can be advanced by tests, so that what depends on time (the stages
# of an experiment, the limit's minute) needs no waiting.

use strict;
use warnings;
use feature 'signatures';
no warnings 'experimental::signatures';

# Signals are only seen at once by Mojo's own poll reactor.
BEGIN { $ENV{MOJO_REACTOR} = 'Mojo::Reactor::Poll' }

use Digest::SHA qw(sha256_hex);
use Fcntl qw(O_APPEND O_CREAT O_WRONLY);
use Mojo::IOLoop;
use Mojo::JSON qw(encode_json false true);
use Mojo::Util qw(b64_encode url_unescape);
use Proctor::Sandbox::Answer qw(json_answer);
use Proctor::Sandbox::Behaviour;
use Proctor::Sandbox::Connection;
use Proctor::Sandbox::Control;
use Proctor::Sandbox::Prefactor;
use Proctor::Sandbox::Respan;
use Time::HiRes ();

use constant LIMIT_WINDOW => 60;

# listen: [ 'HOST:PORT' | 'unix:PATH', ... ]; respan_keys, prefactor_keys:
# lists; log: a file name; step: seconds; limit: calls a minute; public_url.
sub new ($class, %args) {
    my $self = bless {
        step => 2,
        %args,
        n           => 0,
        connections => 0,
        open        => 0,
        first_limit => $args{limit},
    }, $class;
    $self->{control} = Proctor::Sandbox::Control->new($self);
    $self->reset;
    return $self;
}

# Back to how it started, but for the counter of the log's lines.
sub reset ($self, $empty = 0) {
    $self->{offset}     = 0;
    $self->{limit}      = $self->{first_limit};
    $self->{calls}      = {};
    $self->{count}      = {};
    $self->{behaviours} = Proctor::Sandbox::Behaviour->new;
    $self->{respan}     = Proctor::Sandbox::Respan->new($self, $empty);
    $self->{prefactor}  = Proctor::Sandbox::Prefactor->new($self, $empty);
    return;
}

sub now ($self) {
    return Time::HiRes::time() + $self->{offset};
}

# Serves until SIGTERM or SIGINT.
sub run ($self) {
    $self->_open_log;
    my $loop = Mojo::IOLoop->singleton->max_connections(10_000);
    my @urls = map { $self->_listen($_) } @{ $self->{listen} };

    local $SIG{TERM} = local $SIG{INT} = sub { $loop->stop };
    STDOUT->autoflush(1);
    print "sandbox listening on $urls[0]\n";
    $loop->start;
    unlink grep { -S } map { /^unix:(.+)/ } @{ $self->{listen} };
    return;
}

# It holds credentials, if only the sandbox's own.
sub _open_log ($self) {
    return unless defined $self->{log};
    sysopen $self->{log_handle}, $self->{log}, O_WRONLY | O_APPEND | O_CREAT, 0600
        or die "sandbox: cannot write log $self->{log}: $!\n";
    return;
}

sub _listen ($self, $where) {
    my ($path) = $where =~ /^unix:(.+)$/;
    my ($host, $port) = $where =~ /^(127\.\d+\.\d+\.\d+|localhost|\[::1\]):(\d+)$/;
    die "sandbox: cannot listen on $where: only loopback HOST:PORT and unix:PATH\n"
        unless defined $path || defined $port;

    my %place = defined $path ? (path => $path) : (address => $host, port => $port);
    my $accept = sub ($loop, $stream, $id) { $self->_accept($stream) };
    my $id = eval { Mojo::IOLoop->server(%place, $accept) };
    die "sandbox: cannot listen on $where: $!\n" unless defined $id;
    return $where if defined $path;
    return "http://$host:" . Mojo::IOLoop->acceptor($id)->port;
}

sub _accept ($self, $stream) {
    $self->{open}++;
    Proctor::Sandbox::Connection->new(
        stream     => $stream,
        number     => ++$self->{connections},
        on_request => sub ($connection, $request) { $self->_handle($connection, $request) },
        on_close   => sub ($connection) { $self->{open}--; $self->{control}->changed },
    );
    return;
}

sub _handle ($self, $connection, $request) {
    return $self->{control}->handle($connection, $request)
        if $request->path =~ m{^/_sandbox/};

    $self->_log($connection, $request);
    $self->{control}->changed;
    return if $request->{gone};

    my $rule = $self->{behaviours}->take($request);
    return $connection->deliver($request, $self->_counted($request)) unless $rule;

    my $applies = Proctor::Sandbox::Behaviour::applies($rule);
    my $api = $applies ? $self->_counted($request) : undef;
    my $answer = Proctor::Sandbox::Behaviour::answer($rule, $api);
    my $plan = Proctor::Sandbox::Behaviour::plan($rule);
    my $send = sub { $connection->deliver($request, $answer, $plan) };

    return $self->{control}->hold($rule->{hold}, $send) if defined $rule->{hold};
    return Mojo::IOLoop->timer($rule->{delay} => $send) if $rule->{delay};
    return $send->();
}

# A fault of the sandbox's own is a 500 that says so, so that tests see it.
sub _counted ($self, $request) {
    my $answer = eval { $self->_answer($request) };
    if (!$answer) {
        warn "sandbox: $request->{method} $request->{target}: $@";
        $answer = json_answer(500, { detail => "Sandbox fault: $@" });
    }
    $self->{count}{statuses}{ $answer->{status} }++;
    return $answer;
}

sub _answer ($self, $request) {
    return json_answer(400, { detail => "Bad request: $request->{fault}." })
        if $request->{fault};

    my $path = url_unescape($request->path);
    my ($name) = $path =~ m{^/api/v2(?:/|$)} ? 'respan'
        : $path =~ m{^/api/v1(?:/|$)} ? 'prefactor' : undef;
    return json_answer(404, { detail => 'Not found.' }) unless $name;

    my $api = $self->{$name};
    my $redirect = $api->redirect($request, $path);
    return $redirect if $redirect;

    my $key = $self->_key($request, $name);
    return $api->refuse_key($request) unless defined $key;
    my $wait = $self->_wait("$name $key");
    return $api->refuse_limit($wait) if $wait;
    return $api->answer($request, $path);
}

# The API key the request was sent with, when it is one of this API's.
sub _key ($self, $request, $name) {
    my $given = $request->header('Authorization') // '';
    my ($key) = $given =~ /^Bearer +(\S+)$/i or return undef;
    return (grep { $_ eq $key } @{ $self->{"${name}_keys"} })[0];
}

# Seconds until this key may call again; 0: now, and the call is counted.
sub _wait ($self, $key) {
    return 0 unless $self->{limit};
    my $now = $self->now;
    my $calls = $self->{calls}{$key} //= [];
    shift @$calls while @$calls && $calls->[0] <= $now - LIMIT_WINDOW;

    if (@$calls >= $self->{limit}) {
        my $wait = $calls->[-$self->{limit}] + LIMIT_WINDOW - $now;
        return int($wait) + 1;
    }
    push @$calls, $now;
    return 0;
}

sub _log ($self, $connection, $request) {
    $self->{n}++;
    $self->{count}{requests}++;
    my $log = $self->{log_handle} or return;
    my %line = (
        n           => $self->{n},
        at          => Time::HiRes::time(),
        conn        => $connection->{number},
        method      => $request->{method},
        target      => $request->{target},
        version     => $request->{version},
        headers     => $request->{headers},
        head_b64    => b64_encode($request->{head}, ''),
        chunked     => $request->{chunked} ? true : false,
        body_b64    => b64_encode($request->{body}, ''),
        body_sha256 => sha256_hex($request->{body}),
        body_len    => length $request->{body},
        fault       => $request->{fault},
    );
    syswrite $log, encode_json(\%line) . "\n";
    return;
}

1;
