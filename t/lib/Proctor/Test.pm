package Proctor::Test;

# The fixture of the behaviour tests: sandbox, teams, nginx with the module.
#
#     use FindBin;
#     use lib "$FindBin::Bin/lib";
#     use Proctor::Test;
#     use Test::More;
#
#     my $t = Proctor::Test->new;         # everything is running now
#     my $r = $t->request(GET => '/api/v2/experiments/', key => 'admin');
#     is $r->{status}, 200;               # also headers, body, json, rid
#     is scalar($t->upstream($r)), 1;     # what the sandbox got of this request
#     is $t->audit($r)->{decision}, 'allowed';
#     $t->done;                           # stops all, checks all, ends the plan
#
# new() takes: http, server, locations, main (texts added to nginx.conf, or
# subs that get the fixture and return them), options (text added to both
# proctor locations), workers (1), log_level (info), connections (1024),
# audit (1), audit_options (text), listen (parameters), env (of nginx), teams
# (sub that changes the teams' data: see Proctor::Test::Teams), contract (sub (name, data) that
# changes a contract before nginx reads it), sandbox (arguments), prepare (sub
# that gets the fixture before anything is started), stopped (1: nginx is not
# started; for tests of the configuration), echoes (1: the test's own upstream
# says which key it was sent, so stored answers may hold it).
#
# request(METHOD => target, ...) takes: key (a name of Teams) or token, headers
# ([name, value, ...]), json or body, conn (an Http object to keep alive),
# bare (no Host, no length, no request id), host.  Unless bare, every request
# carries a fresh X-Request-Id, by which upstream() and audit() find it.
# raw(bytes, methods...) sends bytes as they are and returns the answers.
#
# passes(answer, name) and refuses(answer, status, name, how) are the two
# verdicts: the sandbox got this request exactly once; or it never did, and the
# answer is the API's own error shape with this status.  how: says (a pattern
# for the sentence), fields ([...] of errors), code (Prefactor's).
#
# A test that kills workers sets {killed}.  done() also checks, in every test: nothing at alert, crit or emerg and no
# sanitizer's word in the error log, all processes exit 0, no client connection
# is left open, and no team token and no upstream key stands in any log,
# the audit trail, a temporary file or a Redis.  Everything is below one temporary
# directory and listens on 127.0.0.1 only.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Find ();
use File::Temp ();
use JSON::PP;
use Test::More ();

use Proctor::Test::Http;
use Proctor::Test::Nginx;
use Proctor::Test::Records;
use Proctor::Test::Redis;
use Proctor::Test::Sandbox;
use Proctor::Test::Teams;
use Proctor::Test::Wait qw(free_ports slurp wait_until);

our @ISA = ('Proctor::Test::Records');

my $root = abs_path(dirname(__FILE__) . '/../../..');
my $json = JSON::PP->new->utf8->canonical->allow_nonref->allow_bignum;
my $serial = 0;
my %running;


sub root { $root }


sub new {
    my ($class, %args) = @_;

    my $self = bless {
        args  => \%args,
        pid   => $$,
        audit => { offset => 0, found => {}, intents => {} },
    }, $class;

    # workers may run as another user
    $self->{temp} = File::Temp->newdir('proctor-XXXXXXXX', TMPDIR => 1,
        CLEANUP => !$ENV{PROCTOR_KEEP});
    $self->{dir} = "$self->{temp}";
    chmod 0755, $self->{dir};
    mkdir "$self->{dir}/$_" for qw(nginx nginx/tmp sandbox);
    $self->{home} = "$self->{dir}/nginx";
    $self->{trail} = ($args{trail_dir} // $self->{home}) . '/audit.jsonl';

    @$self{qw(port status_port)} = free_ports(2);
    $self->{contracts} = $self->write_contracts;
    $self->{teams} = Proctor::Test::Teams->new(
        contracts => $self->{contracts}, change => $args{teams});
    $self->{teams}->write("$self->{home}/teams.json");

    $running{$self} = $self;
    $args{prepare}->($self) if $args{prepare};

    $self->{sandbox} = Proctor::Test::Sandbox->new(
        root => $root, dir => "$self->{dir}/sandbox",
        keys => $self->{teams}{upstream}, args => $args{sandbox});

    $self->{nginx} = Proctor::Test::Nginx->new(
        dir         => $self->{home},
        environment => {
            $self->{teams}->environment, %{ $args{env} || {} },
        });
    $self->{nginx}->write_conf($self->conf);
    $self->{nginx}->start($self->{port}) unless $args{stopped};

    return $self;
}


sub nginx     { $_[0]{nginx} }
sub sandbox   { $_[0]{sandbox} }
sub teams     { $_[0]{teams} }
sub port      { $_[0]{port} }
sub home      { $_[0]{home} }
sub contracts { $_[0]{contracts} }


# Copies of the contracts, changed where the test asks for it.
sub write_contracts {
    my ($self) = @_;

    my %contracts;

    for my $name (qw(respan prefactor)) {
        my $text = slurp("$root/conf/contracts/$name.json");
        my $data = $contracts{$name} = $json->decode($text);

        if ($self->{args}{contract}) {
            $self->{args}{contract}->($name, $data);
            $text = $json->encode($data);
        }
        $self->write_file("$name.json", $text);
    }

    return \%contracts;
}


sub write_file {
    my ($self, $name, $text) = @_;

    open my $fh, '>:raw', "$self->{home}/$name" or die "$name: $!\n";
    print {$fh} $text;
    close $fh or die "$name: $!\n";
}


# Text of new()'s arguments, or what a sub makes of the fixture.
sub text {
    my ($self, $name) = @_;

    my $text = $self->{args}{$name} // '';
    return ref $text ? $text->($self) : $text;
}


sub conf {
    my ($self) = @_;

    my $home = $self->{home};
    my $module = abs_path($ENV{TEST_NGINX_MODULE}
            // "$root/build/ngx_http_proctor_module.so");
    my $workers = $self->{args}{workers} // 1;
    my $level = $self->{args}{log_level} // 'info';
    my $user = $> == 0 ? 'user root;' : '';
    my $audit_options = $self->text('audit_options');
    my $audit = $self->{args}{audit} // 1
        ? "proctor_audit $self->{trail} $audit_options;" : '';
    my $listen = $self->{args}{listen} // '';
    my $upstream = $self->{sandbox}->port;

    return <<"EOT" . $self->locations . "    }\n}\n";
$user
daemon off;
worker_processes $workers;
worker_shutdown_timeout 20s;
pid $home/nginx.pid;
error_log $home/error.log $level;
load_module $module;
@{[ $self->text('main') ]}
events {
    worker_connections @{[ $self->{args}{connections} // 1024 ]};
}
http {
    client_body_temp_path $home/tmp/body;
    proxy_temp_path $home/tmp/proxy;
    fastcgi_temp_path $home/tmp/fastcgi;
    uwsgi_temp_path $home/tmp/uwsgi;
    scgi_temp_path $home/tmp/scgi;
    log_format proctor escape=json
        '{"rid":"\$sent_http_x_request_id","status":\$status,'
        '"method":"\$request_method","uri":"\$uri","team":"\$proctor_team",'
        '"actor":"\$proctor_actor","operation":"\$proctor_operation",'
        '"decision":"\$proctor_decision","reason":"\$proctor_reason",'
        '"agent":"\$http_user_agent","referer":"\$http_referer"}';
    access_log $home/access.log proctor;
    proctor_contract respan $home/respan.json;
    proctor_contract prefactor $home/prefactor.json;
    proctor_teams $home/teams.json;
    $audit
    upstream sandbox {
        server 127.0.0.1:$upstream max_fails=0;
        keepalive 8;
    }
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    @{[ $self->text('http') ]}
    server {
        listen 127.0.0.1:$self->{status_port};
        access_log off;
        location = /status {
            stub_status;
        }
    }
    server {
        listen 127.0.0.1:$self->{port} $listen;
        server_name gateway.test;
        @{[ $self->text('server') ]}
EOT
}


sub locations {
    my ($self) = @_;

    my $options = $self->text('options');

    return $self->text('locations') . <<"EOT";
        location /api/v2/experiments {
            proctor respan;
            $options
            proxy_pass http://sandbox;
        }
        location /api/v1/ {
            proctor prefactor;
            $options
            proxy_pass http://sandbox;
        }
EOT
}


sub connect {
    my ($self) = @_;

    return Proctor::Test::Http->new(port => $self->{port});
}


# A fresh request id: also finds the request at the sandbox.
sub rid {
    return sprintf 't%d-%d', $$, ++$serial;
}


sub authorization {
    my ($self, $key) = @_;

    return ('Authorization', 'Bearer ' . $self->{teams}->token($key));
}


# The bytes of a request, for those that cut or change them before sending.
sub bytes {
    my ($self, $method, $target, %args) = @_;

    my @headers = @{ $args{headers} || [] };
    unshift @headers, $self->authorization($args{key}) if $args{key};
    unshift @headers, 'Authorization', "Bearer $args{token}" if $args{token};
    push @headers, 'X-Request-Id', $args{rid} if $args{rid};

    my $body = exists $args{json} ? $json->encode($args{json}) : $args{body};
    my %names = @headers;
    push @headers, 'Content-Type', 'application/json'
        if defined $body && !$args{bare}
        && !grep { lc eq 'content-type' } keys %names;

    return Proctor::Test::Http::render($method, $target, %args,
        headers => \@headers, body => $body);
}


sub request {
    my ($self, $method, $target, %args) = @_;

    $args{rid} //= rid() unless $args{bare};

    my $conn = $args{conn};
    unless ($conn) {
        $conn = $self->connect;
        $args{headers} = [@{ $args{headers} || [] }, 'Connection', 'close']
            unless $args{bare};
    }

    $conn->send($self->bytes($method, $target, %args));
    my $answer = $conn->answer(method => $method);
    $conn->close unless $args{conn};

    $answer = finish($answer, $args{rid}) or return undef;
    $answer->{shape} = $target =~ m{\A/api/v1/} ? 'status' : 'detail';
    return $answer;
}


sub finish {
    my ($answer, $rid) = @_;

    return undef unless $answer;
    $answer->{rid}  = $answer->{headers}{'x-request-id'} // $rid;
    $answer->{json} = eval { $json->decode($answer->{body}) };
    return $answer;
}


# Sends the bytes, half-closes unless told not to, and returns the answers.
sub raw {
    my ($self, $bytes, @methods) = @_;

    my $conn = $self->connect;
    $conn->send($bytes);

    @methods = ('') unless @methods;
    my @answers = map { finish($conn->answer(method => $_)) } @methods;
    $conn->close;

    return wantarray ? @answers : $answers[0];
}


sub passes {
    my ($self, $answer, $name) = @_;

    my $n = $answer ? scalar(my @got = $self->upstream($answer)) : -1;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::ok($n == 1, $name)
        || Test::More::diag($answer
            ? "forwarded $n times; $answer->{line} $answer->{body}"
            : 'no answer');
}


sub refuses {
    my ($self, $answer, $status, $name, %how) = @_;

    my @wrong = $answer ? $self->wrong($answer, $status, %how) : 'no answer';

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::ok(!@wrong, $name)
        || Test::More::diag(join "\n", @wrong,
            $answer ? ($answer->{line}, $answer->{body}) : ());
}


# What differs from a refusal as it must be.
sub wrong {
    my ($self, $answer, $status, %how) = @_;

    my @wrong;
    my $said = $answer->{json};
    my $type = $answer->{headers}{'content-type'} // 'no type';

    push @wrong, "status is not $status" if $answer->{status} != $status;
    push @wrong, "is $type, not JSON" if $type !~ m{\Aapplication/json\b};
    push @wrong, 'was forwarded' if $self->upstream($answer);
    return (@wrong, 'body is not an object') if ref $said ne 'HASH';

    my $sentence = ($how{shape} // $answer->{shape} // 'detail') eq 'status'
        ? $said->{message} : $said->{detail};

    push @wrong, 'says nothing' if !defined $sentence || $sentence eq '';
    push @wrong, "does not say $how{says}"
        if $how{says} && ($sentence // '') !~ $how{says};
    push @wrong, "code is not $how{code}"
        if $how{code} && ($said->{code} // '') ne $how{code};

    if ($how{fields}) {
        my $fields = join ' ', sort keys %{ $said->{errors} || {} };
        push @wrong, "fields are '$fields'"
            if $fields ne join ' ', sort @{ $how{fields} };
    }

    return @wrong;
}


# What the sandbox received of a request: records, see Proctor::Test::Sandbox.
sub upstream {
    my ($self, $of) = @_;

    return $self->{sandbox}->of(ref $of ? $of->{rid} : $of);
}


# Stops all and checks what must hold after every test.
sub stop {
    my ($self) = @_;

    delete $running{$self} or return;

    my $nginx = $self->{nginx};

    if ($nginx->{pid}) {
        # whoever is killed never counts down
        my $left = $self->{killed} || eval {
            wait_until('connections to end', sub {
                $nginx->connections($self->{status_port}) == 1;
            });
        };
        Test::More::ok($left, 'no client connection is left open')
            or Test::More::diag('still open: '
                . $nginx->connections($self->{status_port}));
        Test::More::is($nginx->stop, 0, 'nginx exits 0');
    }

    Test::More::is($self->{sandbox}->stop, 0, 'the sandbox exits 0');

    my @faults = $nginx->faults;
    Test::More::ok(!@faults, 'no alert and no fault in the error log')
        or Test::More::diag(join "\n", @faults[0 .. ($#faults < 20 ? $#faults : 20)]);

    my @leaks = $self->leaks;
    Test::More::ok(!@leaks, 'no key stands anywhere')
        or Test::More::diag("a key stands in $_") for @leaks ? @leaks : ();
}


sub done {
    my ($self) = @_;

    $self->stop;
    Test::More::done_testing();
}


# Files below nginx's directory with a token or an upstream key in them, other
# than *.key, which are there to hold one; and keys in the test's own Redis.
sub leaks {
    my ($self) = @_;

    my $any = join '|', map { quotemeta } $self->{teams}->secrets;
    my $debug = ($self->{args}{log_level} // '') eq 'debug';
    my @leaks;

    File::Find::find({ no_chdir => 1, wanted => sub {
        return unless -f $_;
        return if /\.key\z/ || $debug && /error\.log\z/;
        push @leaks, $_ if slurp($_) =~ /$any/;
    } }, $self->{home});

    push @leaks, Proctor::Test::Redis::key_with(qr/$any/)
        unless $self->{args}{echoes};

    return @leaks;
}


END {
    my $status = $?;

    for my $self (values %running) {
        next if $self->{pid} != $$;
        $self->{nginx}->kill_now   if $self->{nginx};
        $self->{sandbox}->kill_now if $self->{sandbox};
        Test::More::diag('a fixture was never stopped');
        $status ||= 1;
    }

    $? = $status;
}

1;
