package Proctor::Test::Sandbox;

# The sandbox as a child of the test: what it received, how it shall behave.
#
#     $s->behave({ match => {...}, status => 503 });   # see Sandbox/Behaviour.pm
#     $s->wait(held => 1);                             # see Sandbox/Control.pm
#     $s->release('name');
#     $s->of($rid)             # records of the requests with this X-Request-Id
#     $s->log                  # all records so far
#
# A record has method, target, headers ([name, value] as received), head and
# body (bytes), body_sha256, chunked, fault.

use strict;
use warnings;

use IO::Select;
use JSON::PP;
use MIME::Base64 qw(decode_base64 encode_base64);
use POSIX ();

use Proctor::Test::Http qw(render);
use Proctor::Test::Wait qw(slurp wait_until);

my $json = JSON::PP->new->utf8->canonical;


# root: the project's; dir: for its files; keys: { respan, prefactor }
sub new {
    my ($class, %args) = @_;

    my $self = bless {
        log_file => "$args{dir}/sandbox.log",
        output   => "$args{dir}/sandbox.err",
        offset   => 0,
        records  => [],
        by_rid   => {},
    }, $class;

    pipe my $ready, my $out or die "pipe: $!\n";
    $self->{child} = fork // die "fork: $!\n";

    unless ($self->{child}) {
        $ENV{SANDBOX_RESPAN_KEY} = $args{keys}{respan};
        $ENV{SANDBOX_PREFACTOR_KEY} = $args{keys}{prefactor};
        open STDIN,  '<',  '/dev/null';
        open STDOUT, '>&', $out;
        open STDERR, '>>', $self->{output};
        exec $^X, "$args{root}/t/sandbox", '--listen', '127.0.0.1:0',
            '--log', $self->{log_file}, @{ $args{args} || [] }
            or POSIX::_exit(127);
    }

    close $out;
    IO::Select->new($ready)->can_read(30);
    my $line = <$ready> // '';
    ($self->{port}) = $line =~ /:(\d+)$/
        or die "the sandbox did not start: $line", slurp($self->{output});

    return $self;
}


sub port { $_[0]{port} }


# A call of the sandbox's own: (method, name, body as data).
sub control {
    my ($self, $method, $name, $data) = @_;

    my $conn = Proctor::Test::Http->new(port => $self->{port}, timeout => 30);
    $conn->send(render($method, "/_sandbox/$name",
        headers => [Connection => 'close'],
        $data ? (body => $json->encode($data)) : ()));
    my $answer = $conn->answer;
    $conn->close;

    die "sandbox $name: $answer->{status} $answer->{body}\n"
        if $answer->{status} != 200;
    return $json->decode($answer->{body});
}


# Rules for requests to come; raw: the answer's bytes.
sub behave {
    my ($self, @rules) = @_;

    for my $rule (@rules) {
        $rule->{raw_b64} = encode_base64(delete $rule->{raw}, '')
            if exists $rule->{raw};
        $rule->{body_b64} = encode_base64(delete $rule->{bytes}, '')
            if exists $rule->{bytes};
    }
    $self->control(POST => 'behave', \@rules);
}


sub clear   { $_[0]->control(POST => 'behave', { clear => \1 }) }
sub stats   { $_[0]->control(GET  => 'stats') }
sub release { $_[0]->control(POST => 'release', { hold => $_[1] }) }


sub wait {
    my ($self, %until) = @_;

    return $self->control(GET => 'wait?'
        . join '&', map { "$_=$until{$_}" } sort keys %until);
}


sub log {
    my ($self) = @_;

    open my $fh, '<:raw', $self->{log_file} or return;
    seek $fh, $self->{offset}, 0;

    while (defined(my $line = <$fh>)) {
        last unless $line =~ /\n\z/;
        $self->{offset} += length $line;
        $self->take($json->decode($line));
    }

    return @{ $self->{records} };
}


sub take {
    my ($self, $record) = @_;

    $record->{body} = decode_base64(delete $record->{body_b64});
    $record->{head} = decode_base64(delete $record->{head_b64});
    push @{ $self->{records} }, $record;

    for (@{ $record->{headers} }) {
        push @{ $self->{by_rid}{ $_->[1] } }, $record
            if lc $_->[0] eq 'x-request-id';
    }
}


sub of {
    my ($self, $rid) = @_;

    $self->log;
    return @{ $self->{by_rid}{ $rid // '' } || [] };
}


# All values of a header in a record.
sub values_of {
    my ($record, $name) = @_;

    return map { $_->[1] } grep { lc $_->[0] eq lc $name }
        @{ $record->{headers} };
}


# TERM; its exit status.
sub stop {
    my ($self) = @_;

    my $pid = delete $self->{child} or return 0;
    kill 'TERM', $pid;
    my $done = eval {
        wait_until('the sandbox to stop',
            sub { waitpid($pid, POSIX::WNOHANG()) == $pid }, 20);
    };
    return $? if $done;

    kill 'KILL', $pid;
    waitpid $pid, 0;
    return -1;
}


sub kill_now { $_[0]->stop }

1;
