package Proctor::Sandbox::Control;

# What tests say to the sandbox, under /_sandbox/: no key, and not logged.
#
#   POST reset    {"empty": true}   everything as at the start; empty: without
#                                   the example records
#   GET  stats                      counters
#   POST behave   one rule or a list of them (Behaviour.pm), {"clear": true},
#                 {"limit": 60} (0: none)
#   POST release  {"hold": "name"}  let go what a rule holds back
#   POST advance  {"seconds": 5}    put the clock forward
#   GET  wait?requests=3&held=1&open=0&timeout=5
#                 answers when at least as many requests have come in since the
#                 reset, as many are held, and at most as many connections are
#                 open; 408 when that does not happen in time

use strict;
use warnings;
use feature 'signatures';
no warnings 'experimental::signatures';

use Mojo::IOLoop;
use Mojo::JSON qw(decode_json);
use Proctor::Sandbox::Answer qw(json_answer);
use Scalar::Util qw(weaken);

my %ROUTES = (
    'POST reset'   => \&_reset,
    'GET stats'    => \&_stats,
    'POST behave'  => \&_behave,
    'POST release' => \&_release,
    'POST advance' => \&_advance,
);

sub new ($class, $sandbox) {
    my $self = bless { sandbox => $sandbox, held => {}, waiting => [] }, $class;
    weaken $self->{sandbox};
    return $self;
}

sub handle ($self, $connection, $request) {
    return if $request->{gone};
    my ($name) = $request->path =~ m{^/_sandbox/(.*)};
    my $call = "$request->{method} $name";
    return $self->_wait($connection, $request) if $call eq 'GET wait';

    my $handler = $ROUTES{$call};
    my ($status, $value) = $handler
        ? $self->$handler($request)
        : (404, { error => "no such call: $call" });
    return _send($connection, $request, $status, $value);
}

# Keeps an answer until it is released.
sub hold ($self, $name, $send) {
    push @{ $self->{held}{$name} }, $send;
    $self->changed;
    return;
}

# Something that a waiting call may be waiting for has happened.
sub changed ($self) {
    $_->() for @{ $self->{waiting} };
    return;
}

sub _send ($connection, $request, $status, $value) {
    return $connection->deliver($request, json_answer($status, $value));
}

sub _reset ($self, $request) {
    my $held = delete $self->{held};
    $self->{held} = {};
    $self->{sandbox}->reset($request->json->{empty});
    $_->() for map {@$_} values %$held;
    return (200, { reset => 1 });
}

sub _stats ($self, $request) {
    my $sandbox = $self->{sandbox};
    return (200, {
        requests    => 0,
        statuses    => {},
        operations  => {},
        %{ $sandbox->{count} },
        n           => $sandbox->{n},
        connections => $sandbox->{connections},
        open        => $sandbox->{open},
        held        => $self->_held,
        behaviours  => $sandbox->{behaviours}->pending,
        limit       => $sandbox->{limit} // 0,
        now         => $sandbox->now,
        records     => { %{ $sandbox->{respan}->counts }, %{ $sandbox->{prefactor}->counts } },
    });
}

sub _behave ($self, $request) {
    my $given = eval { decode_json($request->{body}) };
    my @rules = ref $given eq 'ARRAY' ? @$given : $given;
    return (400, { error => 'a JSON object or a list of them is expected' })
        if grep { ref ne 'HASH' } @rules;

    for my $rule (@rules) {
        my $fault = $self->_rule($rule);
        return (400, { error => $fault }) if defined $fault;
    }
    return (200, { behaviours => $self->{sandbox}{behaviours}->pending });
}

sub _rule ($self, $rule) {
    my %rule = %$rule;
    my $sandbox = $self->{sandbox};
    $sandbox->{behaviours}->clear if delete $rule{clear};
    if (exists $rule{limit}) {
        $sandbox->{limit} = delete $rule{limit};
        $sandbox->{calls} = {};
    }
    return %rule ? $sandbox->{behaviours}->add(\%rule) : undef;
}

sub _release ($self, $request) {
    my $name = $request->json->{hold} // '';
    my $held = delete $self->{held}{$name} // [];
    $_->() for @$held;
    return (200, { released => scalar @$held });
}

sub _advance ($self, $request) {
    $self->{sandbox}{offset} += $request->json->{seconds} // 0;
    return (200, { now => $self->{sandbox}->now });
}

sub _held ($self) {
    my $count = 0;
    $count += @$_ for values %{ $self->{held} };
    return $count;
}

sub _wait ($self, $connection, $request) {
    my ($check, $timer);
    my $finish = sub ($status) {
        Mojo::IOLoop->remove($timer) if $timer;
        $self->{waiting} = [ grep { $_ != $check } @{ $self->{waiting} } ];
        undef $check;
        _send($connection, $request, $status, ($self->_stats($request))[1]);
    };
    $check = sub { $finish->(200) if $self->_reached($request) };
    return $finish->(200) if $self->_reached($request);

    push @{ $self->{waiting} }, $check;
    $timer = Mojo::IOLoop->timer($request->param('timeout') // 5, sub { $finish->(408) });
    return;
}

sub _reached ($self, $request) {
    my $sandbox = $self->{sandbox};
    my ($requests, $held, $open) = map { $request->param($_) } qw(requests held open);
    return 0 if defined $requests && ($sandbox->{count}{requests} // 0) < $requests;
    return 0 if defined $held && $self->_held < $held;
    return 0 if defined $open && $sandbox->{open} > $open;
    return 1;
}

1;
