package Proctor::Test::SandboxClient;

# The sandbox's own tests talk to it with this: a sandbox, and calls to it.
#
#     my $c = Proctor::Test::SandboxClient->new('--step', 10);
#     my ($status, $value, $answer) = $c->call(POST => $path, json => {...});
#     my $bytes = $c->raw($request_bytes);      # until the server closes
#
# call: key (a name in KEYS, '' for none; by default the path's API), headers
# ([name, value, ...]), json or content.  Control calls: $c->sandbox.

use strict;
use warnings;
use feature 'signatures';
no warnings 'experimental::signatures';

use File::Temp qw(tempdir);
use FindBin;
use JSON::PP;
use Proctor::Test::Http qw(render);
use Proctor::Test::Sandbox;

my %KEYS = (respan => 'respan-key-1', second => 'respan-key-2', prefactor => 'prefactor-key');
my @started;
my $JSON = JSON::PP->new->utf8->canonical;

sub new ($class, @options) {
    my $dir = tempdir(CLEANUP => 1);
    my $sandbox = Proctor::Test::Sandbox->new(
        root => "$FindBin::Bin/..",
        dir  => $dir,
        keys => { respan => "$KEYS{respan},$KEYS{second}", prefactor => $KEYS{prefactor} },
        args => \@options,
    );
    push @started, $sandbox;
    return bless { sandbox => $sandbox, dir => $dir }, $class;
}

END {
    local $?;
    $_->kill_now for @started;
}

sub sandbox ($self) { return $self->{sandbox} }
sub dir ($self)     { return $self->{dir} }
sub url ($self)     { return 'http://127.0.0.1:' . $self->{sandbox}->port }

sub connect ($self) {
    return Proctor::Test::Http->new(port => $self->{sandbox}->port, timeout => 30);
}

# A header line with a key of the sandbox's.
sub authorization ($self, $key = 'respan') {
    return "Authorization: Bearer $KEYS{$key}\r\n";
}

sub call ($self, $method, $target, %given) {
    my $key = $given{key} // ($target =~ m{^/api/v1} ? 'prefactor' : 'respan');
    my @headers = @{ $given{headers} // [] };
    push @headers, Authorization => "Bearer $KEYS{$key}" if $key;
    my $body = exists $given{json} ? $JSON->encode($given{json}) : $given{content};

    my $connection = $self->connect;
    $connection->send(render($method, $target,
        host    => '127.0.0.1:' . $self->{sandbox}->port,
        headers => [ @headers, Connection => 'close' ],
        defined $body ? (body => $body) : ()));
    my $answer = $connection->answer(method => $method);
    $connection->close;
    return ($answer->{status}, scalar eval { $JSON->decode($answer->{body}) }, $answer);
}

sub raw ($self, $bytes) {
    my $connection = $self->connect;
    $connection->send($bytes);
    return $connection->rest;
}

1;
