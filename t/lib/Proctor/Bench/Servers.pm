package Proctor::Bench::Servers;

# What is measured: a backend, Redis, and nginx after nginx, each with one
# worker, on cores of their own.
#
#     my $servers = Proctor::Bench::Servers->new(
#         dir => $temp, module => $so, cpu => [$gateway, $other]);
#     $servers->start;
#     $servers->port('bare');           # where a server of the tables listens
#     $servers->worker('bare');         # whose CPU it costs
#     $servers->batches('group');       # (intents, batches) so far
#     $servers->token;                  # of the one who calls
#     $servers->answer;                 # what every server answers
#
# %gateways are processes of nginx: what their http block says, and which
# servers they have beside each other.  %servers are those.

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA qw(sha256_hex);
use File::Basename qw(dirname);
use JSON::PP;

use Proctor::Bench::Load qw(connections write_file);
use Proctor::Test::Http qw(render);
use Proctor::Test::Nginx;
use Proctor::Test::Redis;
use Proctor::Test::Wait qw(free_ports);

my $root = abs_path(dirname(__FILE__) . '/../../../..');

my %gateways = (
    few  => { teams => 10, servers => [qw(floor bare few)], audit => '' },
    many => { teams => 10_000, servers => ['many'], audit => '' },
    cached => {
        teams   => 10, quotas => 1, redis => 1, zone => 1, audit => '',
        servers => [qw(cached_bare pcache hit miss)],
    },
    lua => { servers => ['lua'] },
    zone => { teams => 10, quotas => 1, zone => 1, audit => '',
        servers => ['zone'] },
    dead => { teams => 10, quotas => 1, zone => 1, audit => '', redis => 'dead',
        servers => ['dead'] },
    silent => { teams => 10, servers => ['silent'] },
    unsigned => { teams => 10, servers => ['unsigned'], audit => '',
        unsigned => 1 },
    group  => { teams => 10, servers => ['group'], audit => 'fsync=group' },
    never  => { teams => 10, servers => ['never'], audit => 'fsync=never' },
);

my $proctor = "proctor respan;\nproxy_pass http://backend;\n";
my $uncached = "proctor respan;\nproctor_cache off;\n"
    . "proxy_pass http://backend;\n";

my %servers = (
    floor       => \&floor_server,
    bare        => sub { "proxy_pass http://backend;\n" },
    cached_bare => sub { "proxy_pass http://backend;\n" },
    pcache      => \&pcache_server,
    lua         => \&lua_server,
    hit         => sub { $proctor },
    miss        => sub { $proctor },
    zone        => sub { $uncached },
    dead        => sub { $proctor },
    map { $_ => sub { $uncached } } qw(few many silent unsigned group never),
);


sub new {
    my ($class, %args) = @_;

    my @names = ('backend', 'dead_redis', keys %servers);
    my %port;
    @port{@names} = free_ports(scalar @names);

    return bless {
        %args,
        ports => \%port,
        nginx => {},
        token => 'prk_' . sha256_hex("$args{dir} token"),
    }, $class;
}


sub port   { $_[0]{ports}{ $_[1] } // die "no server $_[1]\n" }
sub token  { $_[0]{token} }
sub redis  { $_[0]{redis} }


sub gateway_of {
    my ($self, $server) = @_;

    my ($name) = grep {
        grep { $_ eq $server } @{ $gateways{$_}{servers} }
    } sort keys %gateways;

    return $name;
}


sub worker {
    my ($self, $server) = @_;

    my ($pid) = $self->{nginx}{ $self->gateway_of($server) }->workers
        or die "the worker of $server is gone\n";
    return $pid;
}


sub error_log {
    my ($self, $server) = @_;

    return "$self->{dir}/" . $self->gateway_of($server) . '/error.log';
}


# How many intents a gateway has written so far, in how many batches.
sub batches {
    my ($self, $server) = @_;

    my $http = Proctor::Test::Http->new(port => $self->port($server));
    $http->send(render(GET => '/status'));
    my $audit = JSON::PP->new->decode($http->answer->{body})->{audit};
    return @{$audit}{qw(intents batches)};
}


# The trail is signed: nobody would leave that out in production.
sub write_key {
    my ($self, $name) = @_;

    my $command = dirname($self->{module}) . '/proctor';
    my $said = qx{$command audit key $self->{dir}/$name/audit.key bench 2>&1};
    die "no key was made: $said" if $?;
}


# The backend, Redis and the gateways of these servers.
sub start {
    my ($self, @wanted) = @_;

    my %wanted = map { $self->gateway_of($_) => 1 } @wanted;

    for my $name ('backend', keys %wanted) {
        mkdir "$self->{dir}/$name/$_" for '', 'tmp', 'trail', 'pcache';
    }

    $self->start_nginx('backend', 'backend', $self->backend_conf);
    $self->{redis} = Proctor::Test::Redis->new(dir => "$self->{dir}/redis");
    pin($self->{redis}->pid, $self->{cpu}[1]);

    $self->start_nginx($_, $gateways{$_}{servers}[0], $self->gateway_conf($_))
        for sort keys %wanted;
}


sub pin {
    my ($pid, $cpu) = @_;

    my $said = `taskset -cp $cpu $pid 2>&1`;
    die "taskset: $said" if $?;
}


sub start_nginx {
    my ($self, $name, $server, $conf) = @_;

    my $nginx = Proctor::Test::Nginx->new(
        dir         => "$self->{dir}/$name",
        environment => { PROCTOR_BENCH_KEY => 'sk_bench' },
    );
    $nginx->write_conf($conf);
    $nginx->start($self->port($server));
    $self->{nginx}{$name} = $nginx;
}


sub stop {
    my ($self) = @_;

    $_->kill_now for values %{ $self->{nginx} };
    delete $self->{redis};
}


# What all configurations begin with; nothing is logged but where it is said.
sub common_conf {
    my ($self, $name, $cpu, $main) = @_;

    my $dir = "$self->{dir}/$name";
    my $user = $> == 0 ? 'user root;' : '';
    my $affinity = '1' . '0' x $cpu;

    return <<"EOT";
$user
daemon off;
worker_processes 1;
worker_cpu_affinity $affinity;
pid $dir/nginx.pid;
error_log $dir/error.log warn;
$main
events {
    worker_connections 4096;
}
http {
    client_body_temp_path $dir/tmp/body;
    proxy_temp_path $dir/tmp/proxy;
    fastcgi_temp_path $dir/tmp/fastcgi;
    uwsgi_temp_path $dir/tmp/uwsgi;
    scgi_temp_path $dir/tmp/scgi;
    access_log off;
    keepalive_requests 100000000;
    client_body_buffer_size 64k;
    default_type application/json;
EOT
}


sub backend_conf {
    my ($self) = @_;

    return $self->common_conf('backend', $self->{cpu}[1], '')
        . server_conf($self->port('backend'), $self->floor_server) . "}\n";
}


sub gateway_conf {
    my ($self, $name) = @_;

    my $gateway = $gateways{$name};
    my $lua = $name eq 'lua';
    my $main = $lua ? lua_main() : "load_module $self->{module};\n"
        . "thread_pool default threads=2;";

    $self->write_key($name)
        if defined $gateway->{audit} && !$gateway->{unsigned};

    return $self->common_conf($name, $self->{cpu}[0], $main)
        . ($lua ? lua_http() : $self->proctor_http($name))
        . $self->proxy_http($name)
        . join('', map {
            server_conf($self->port($_), $servers{$_}->($self))
        } @{ $gateway->{servers} })
        . "}\n";
}


sub server_conf {
    my ($port, $location) = @_;

    my $status = $location =~ /^proctor /m
        ? "location = /status {\nproctor_status;\n}\n" : '';

    return "server {\nlisten 127.0.0.1:$port;\n$status"
        . "location / {\n$location}\n}\n";
}


sub proctor_http {
    my ($self, $name) = @_;

    my $gateway = $gateways{$name};
    my $dir = "$self->{dir}/$name";
    my $socket = $gateway->{redis} && $gateway->{redis} eq 'dead'
        ? "127.0.0.1:$self->{ports}{dead_redis}"
        : 'unix:' . $self->{redis}->socket;

    $self->write_teams($name);

    return "proctor_contract respan $root/conf/contracts/respan.json;\n"
        . "proctor_teams $dir/teams.json;\n"
        . (defined $gateway->{audit}
            ? "proctor_audit $dir/trail/audit.jsonl $gateway->{audit} "
                . ($gateway->{unsigned} ? '' : "key=$dir/audit.key ")
                . "origin=bench;\n" : '')
        . ($gateway->{zone} ? "proctor_zone bench:16m;\n" : '')
        . ($gateway->{redis} ? "proctor_redis $socket;\n" : '');
}


sub proxy_http {
    my ($self, $name) = @_;

    my $connections = connections();

    return <<"EOT";
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_cache_path $self->{dir}/$name/pcache keys_zone=pc:16m inactive=1h
                     levels=1:2;
    limit_req_zone \$http_authorization zone=lr:10m rate=1000000r/s;
    log_format audit escape=json
        '{"ts":"\$time_iso8601","team":"team-5",'
        '"method":"\$request_method","uri":"\$uri","status":\$status,'
        '"rt":\$request_time}';
    upstream backend {
        server 127.0.0.1:$self->{ports}{backend} max_fails=0;
        keepalive $connections;
        keepalive_requests 100000000;
    }
EOT
}


sub floor_server {
    my ($self) = @_;

    return "return 200 '" . $self->answer . "';\n";
}


# What an operator of nginx alone would write.
sub pcache_server {
    my ($self) = @_;

    return <<"EOT";
        proxy_cache pc;
        proxy_cache_valid 200 1h;
        proxy_cache_lock on;
        proxy_cache_key "\$http_authorization\$request_uri";
        limit_req zone=lr burst=1000;
        access_log $self->{dir}/cached/access.log audit buffer=64k;
        proxy_pass http://backend;
EOT
}


sub lua_main {
    return join '', map { "load_module /usr/lib/nginx/modules/$_.so;\n" }
        qw(ndk_http_module ngx_http_lua_module);
}


sub lua_http {
    return <<'EOT';
    lua_package_path "/usr/share/lua/5.1/?.lua;/usr/share/lua/5.1/?/init.lua;;";
    init_by_lua_block { redis = require "nginx.redis" }
EOT
}


# One INCR, one EXPIRE and one MGET in a pipeline over a pooled connection; no
# validation, no digest of the key, no record but the access log.
sub lua_server {
    my ($self) = @_;

    my $socket = $self->{redis}->socket;
    my $answer = $self->answer;

    return <<"EOT";
        access_log $self->{dir}/lua/access.log audit buffer=64k;
        access_by_lua_block {
            local token = (ngx.var.http_authorization or ""):match("^Bearer%s+(.+)\$")
            if not token then return ngx.exit(401) end
            local r = redis:new()
            r:set_timeout(1000)
            assert(r:connect("unix:$socket"))
            local counter = "q:nlp:" .. math.floor(ngx.time() / 60)
            local key = "c:nlp:" .. ngx.var.request_uri
            r:init_pipeline()
            r:incr(counter)
            r:expire(counter, 120)
            r:mget("gen:nlp", key)
            local replies = r:commit_pipeline()
            if tonumber(replies[1]) > 100000000 then return ngx.exit(429) end
            local hit = replies[3][2]
            if not hit or hit == ngx.null then
                hit = '$answer'
                r:set(key, hit, "EX", 3600)
            end
            r:set_keepalive(10000, 100)
            ngx.header["Content-Type"] = "application/json"
            ngx.header["Content-Length"] = #hit
            ngx.print(hit)
            return ngx.exit(200)
        }
EOT
}


# An experiment of exactly the length that is compared.
sub answer {
    my ($self) = @_;

    my $json = JSON::PP->new->canonical;
    my %experiment = (
        id           => 'exp_9f8b7c6d',
        name         => 'gpt-4o-mini quality run',
        status       => 'completed',
        created_at   => '2024-01-15T09:30:00Z',
        dataset_id   => 'ds_7a6b5c4d',
        dataset_name => 'Support QA Dataset',
        progress     => 100,
        started_at   => undef,
        tags         => [{ team => 'nlp-eval', priority => 'high' }],
        workflow     => [{
            type   => 'completion',
            config => { model => 'gpt-4o-mini', prompt => '' },
        }],
        evaluator_ids => ['eval_quality'],
        batch_size    => 16,
        concurrency   => 4,
    );

    $experiment{workflow}[0]{config}{prompt}
        = 'x' x ($self->{length} - length $json->encode(\%experiment));

    return $json->encode(\%experiment);
}


# One key a team.  The caller is in the middle of the file.
sub write_teams {
    my ($self, $name) = @_;

    my $gateway = $gateways{$name};
    my %file = (accounts => { acme => {
        contract => 'respan', keys => [{ env => 'PROCTOR_BENCH_KEY' }],
    } });

    for my $i (1 .. $gateway->{teams}) {
        my $token = $i == $gateway->{teams} / 2
            ? $self->{token} : "prk_" . sha256_hex("$self->{dir} $name $i");
        $file{teams}{"team-$i"} = {
            accounts => { respan => 'acme' },
            keys     => [{
                id     => "k-$i",
                sha256 => sha256_hex($token),
                actor  => "somebody-$i\@example.com",
                rights => ['read', 'create'],
            }],
            $gateway->{quotas}
                ? (quotas => [{ name => 'calls', limit => 1_000_000_000,
                    per => '1m' }])
                : (),
        };
    }

    write_file("$self->{dir}/$name/teams.json", JSON::PP->new->encode(\%file));
}

1;
