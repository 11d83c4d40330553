use strict;
use warnings;

# Nobody reads the old value after the writer's 2xx, and nobody reads another
# account's, whatever happens: 3 gateways on one Redis, 50 teams on 10 accounts,
# random reads and writes at once, and workers killed at random.
#
# One process sends everything and notes the order in which answers arrived: a
# read may answer no version older than the newest that an answer had shown
# before the read was sent.
#
#   PROCTOR_LONG=1   two minutes instead of fifteen seconds

use Cwd qw(abs_path);
use Digest::SHA qw(sha256_hex);
use File::Temp ();
use FindBin;
use JSON::PP;
use List::Util qw(max);
use Test::More;
use Time::HiRes qw(time);

use lib "$FindBin::Bin/lib";
use Proctor::Test::Crowd;
use Proctor::Test::Http qw(render);
use Proctor::Test::Nginx;
use Proctor::Test::Redis;
use Proctor::Test::Versions;
use Proctor::Test::Wait qw(free_ports slurp wait_until);

my $root = abs_path("$FindBin::Bin/..");
my $module = abs_path($ENV{TEST_NGINX_MODULE}
        // "$root/build/ngx_http_proctor_module.so");
my $seconds = $ENV{PROCTOR_LONG} ? 120 : 15;
my $at_once = 24;
my $experiments = 4;
my $list = '/api/v2/experiments/list/';

my $temp = File::Temp->newdir('proctor-XXXXXXXX', TMPDIR => 1);
chmod 0755, "$temp";
my $redis = Proctor::Test::Redis->new(dir => "$temp/redis");
my $upstream = Proctor::Test::Versions->new;
my ($accounts, $teams) = who_is_there();
my @ports = free_ports(3);
my @gateways = map { gateway($_) } 0 .. $#ports;

my (%floor, %count, @wrong, $killed);
my $end = time + $seconds;
my $next_kill = time + 1;
my $crowd = Proctor::Test::Crowd->new;

while ($crowd->flying || time < $end) {
    if (time < $end) {
        ask() while $crowd->flying < $at_once;
        kill_somebody() if time > $next_kill;
    }
    $crowd->turn(0.1);
}

is scalar(@wrong), 0, 'no stale and no foreign answer' or diag(@wrong[0 .. 4]);
cmp_ok $killed, '>', $seconds / 2, "workers were killed ($killed)";
for (qw(GET PATCH hit)) {
    cmp_ok $count{$_} // 0, '>', 100, "$_: " . ($count{$_} // 0);
}
cmp_ok $count{lost} // 0, '<', $count{GET} / 20,
    'and hardly an answer was lost: ' . ($count{lost} // 0);
diag join ', ', map { "$_: $count{$_}" } sort keys %count;

my @keys = @{ $redis->command('KEYS', '*') };
is join(' ', grep { $redis->command('PTTL', $_) == -1 } @keys), '',
    'each of ' . @keys . ' keys has a time to live';

for my $gateway (@gateways) {
    is $gateway->stop, 0, 'the gateway ends';
    is join("\n", grep { !/exited on signal 9|was locked by/ }
        $gateway->faults), '',
        'and has nothing to complain of';
}

done_testing;


# Five teams on each account; each team has a key.
sub who_is_there {
    my (%accounts, %teams);

    for my $account (map { "a$_" } 0 .. 9) {
        $accounts{$account} = {
            contract => 'respan', keys => [{ env => "UPSTREAM_$account" }],
        };
        for my $team (map { "$account-t$_" } 0 .. 4) {
            $teams{$team} = {
                accounts => { respan => $account },
                keys     => [{
                    id     => "k-$team",
                    actor  => "$team\@example.com",
                    sha256 => sha256_hex("prk_$team"),
                    rights => ['read', 'update'],
                }],
                quotas => [{ name => 'calls', limit => 10_000_000,
                    per => '1m' }],
            };
        }
    }

    return (\%accounts, \%teams);
}


sub gateway {
    my ($i) = @_;

    my $dir = "$temp/gateway-$i";
    mkdir $_ for $dir, "$dir/tmp";

    open my $fh, '>', "$dir/teams.json" or die "teams.json: $!\n";
    print {$fh} encode_json({ accounts => $accounts, teams => $teams });
    close $fh;

    my $nginx = Proctor::Test::Nginx->new(dir => $dir,
        environment => { map { ("UPSTREAM_$_" => "sk_$_") } keys %$accounts });
    $nginx->write_conf(conf($dir, $ports[$i]));

    return $nginx->start($ports[$i]);
}


sub conf {
    my ($dir, $port) = @_;

    my $user = $> == 0 ? 'user root;' : '';
    my $to = $upstream->port;
    my $socket = $redis->socket;

    return <<"EOT";
$user
daemon off;
worker_processes 2;
pid $dir/nginx.pid;
error_log $dir/error.log notice;
load_module $module;
events {
    worker_connections 1024;
}
http {
    client_body_temp_path $dir/tmp/body;
    proxy_temp_path $dir/tmp/proxy;
    fastcgi_temp_path $dir/tmp/fastcgi;
    uwsgi_temp_path $dir/tmp/uwsgi;
    scgi_temp_path $dir/tmp/scgi;
    access_log off;
    proctor_contract respan $root/conf/contracts/respan.json;
    proctor_teams $dir/teams.json;
    proctor_audit $dir/audit.jsonl;
    proctor_redis unix:$socket timeout=200ms;
    proctor_zone main:1m;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    upstream versions {
        server 127.0.0.1:$to max_fails=0;
        keepalive 16;
    }
    server {
        listen 127.0.0.1:$port;
        location / {
            proctor respan;
            proxy_pass http://versions;
        }
    }
}
EOT
}


# One in eight is a write; one read in eight is of the list.
sub ask {
    my $account = 'a' . int rand 10;
    my $team = "$account-t" . int rand 5;
    my $write = rand() < 1 / 8;
    my $path = !$write && rand() < 1 / 8
        ? $list : '/api/v2/experiments/exp_' . int(rand $experiments) . '/';

    my %call = (
        method  => $write ? 'PATCH' : 'GET',
        path    => $path,
        account => $account,
        floor   => floor($account, $path),
    );

    $crowd->ask($ports[rand @ports],
        render($call{method}, $path,
            headers => [
                Authorization => "Bearer prk_$team", Connection => 'close',
                $write ? ('Content-Type' => 'application/json') : (),
            ],
            $write ? (body => '{"name": "another"}') : ()),
        sub { judge(\%call, @_) });
}


# What the list must show is the sum of what its experiments have shown.
sub floor {
    my ($account, $path) = @_;

    my $floor = $floor{$account} //= {};
    return $floor->{$path} // 0 if $path ne $list;

    my $sum = 0;
    $sum += $floor->{$_} for grep { $_ ne $list } keys %$floor;
    return max($sum, $floor->{$list} // 0);
}


# An answer is whole, or it is lost.
sub judge {
    my ($call, $answer) = @_;

    my $data = $answer && $answer->{status} == 200
        && eval { decode_json($answer->{body}) };

    if (!$data) {
        $count{lost}++;
        $count{ $answer ? $answer->{status} : 'no answer' }++;
        return;
    }

    $count{ $call->{method} }++;
    $count{hit}++ if $answer->{head} =~ /^Cache-Status: .*\bhit\b/mi;

    push @wrong, "foreign: $call->{account} $answer->{body}\n"
        if $data->{account} ne "sk_$call->{account}";
    push @wrong, "stale: $call->{path} of $call->{account}: "
        . "$data->{count} < $call->{floor}\n$answer->{head}\n"
        if $data->{count} < $call->{floor};

    my $floor = \$floor{ $call->{account} }{ $call->{path} };
    $$floor = max($$floor // 0, $data->{count});
}


sub kill_somebody {
    my @workers = $gateways[rand @gateways]->workers;

    $next_kill = time + 0.2 + rand 0.6;
    $killed += kill 'KILL', $workers[rand @workers] if @workers == 2;
}
