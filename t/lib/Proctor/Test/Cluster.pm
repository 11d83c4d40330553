package Proctor::Test::Cluster;

# A Redis Cluster of real servers, on free ports of the loopback: three masters,
# each with a replica.
#
#     my $cluster = Proctor::Test::Cluster->new(dir => $dir);
#     $cluster->servers; $cluster->addresses;
#     $cluster->owner($slot);                # a server; undef: nobody
#     $cluster->settled;                     # every server that runs is content
#     my $name = $cluster->name_at('a', $server);  # "a7": its slot is there
#     $cluster->open($slot, $from, $to);     # migrating here, importing there
#     $cluster->carry($slot, $from, $to);    # its keys; a number: so many
#     $cluster->close($slot, $from, $to);    # and it has moved
#     Proctor::Test::Cluster::slot('key{tag}');

use strict;
use warnings;

use Proctor::Test::Redis;
use Proctor::Test::Wait qw(free_ports slurp wait_until);

my $slots = 16384;
my $masters = 3;


# dir; timeout (ms) of a node; spare (0): servers that have no slots
sub new {
    my ($class, %args) = @_;

    my $self = bless { timeout => 1000, spare => 0, %args }, $class;
    my $n = 2 * $masters + $self->{spare};
    my @ports = free_ports(2 * $n);

    mkdir $self->{dir};
    $self->{servers} = [map { $self->server(splice @ports, 0, 2) } 1 .. $n];
    $self->form;
    return $self;
}


sub server {
    my ($self, $port, $bus) = @_;

    my $server = Proctor::Test::Redis->new(
        dir => "$self->{dir}/$port", port => $port,
        args => ['--cluster-enabled', 'yes', '--cluster-port', $bus,
            '--cluster-node-timeout', $self->{timeout},
            '--cluster-require-full-coverage', 'no',
            '--cluster-allow-replica-migration', 'no',
            '--cluster-replica-validity-factor', 0,
            '--repl-diskless-sync-delay', 0]);
    $server->{bus} = $bus;
    $server->{id} = $server->command('CLUSTER', 'MYID');
    return $server;
}


sub form {
    my ($self) = @_;

    my @servers = $self->servers;
    my @last = map { int $slots * $_ / $masters } 0 .. $masters;
    my $epoch = 0;

    for my $i (0 .. $masters - 1) {
        $servers[$i]->command('CLUSTER', 'ADDSLOTSRANGE',
            $last[$i], $last[$i + 1] - 1);
    }
    $_->command('CLUSTER', 'SET-CONFIG-EPOCH', ++$epoch) for @servers;
    $servers[0]->command('CLUSTER', 'MEET', '127.0.0.1', @$_{qw(port bus)})
        for @servers[1 .. $#servers];
    wait_until('the servers to meet', sub {
        !grep { $_->command('CLUSTER', 'INFO')
            !~ /^cluster_known_nodes:${\ scalar @servers}\r/m } @servers;
    }, 30);

    for my $i (0 .. $masters - 1) {
        wait_until('a replica to be one', sub {
            !ref $servers[$masters + $i]->try('CLUSTER', 'REPLICATE',
                $servers[$i]{id});
        });
    }
    $self->settle;
}


sub servers   { @{ $_[0]{servers} } }
sub running   { grep { runs($_) } $_[0]->servers }
sub addresses { map { "127.0.0.1:$_->{port}" } $_[0]->servers }


# Neither dead nor stopped.
sub runs {
    my ($server) = @_;

    return $server->{pid}
        && slurp("/proc/$server->{pid}/stat") !~ /\) T /;
}


sub settle {
    my ($self) = @_;

    wait_until('the cluster to settle', sub { eval { $self->settled } }, 30);
}


# All agree on who has what, and each replica is at its master.
sub settled {
    my ($self) = @_;

    my %maps;
    for my $server ($self->running) {
        return 0 if $server->command('CLUSTER', 'INFO') !~ /^cluster_state:ok/m;
        my $info = $server->command('INFO', 'replication');
        return 0 if $info =~ /^role:slave/m && $info !~ /^master_link_status:up/m;
        $maps{ join ' ', sort map { "@$_[0, 1] $_->[2][1]" }
            @{ $server->command('CLUSTER', 'SLOTS') } } = 1;
    }
    return 0 if keys %maps != 1;
    return !grep { !$self->owner($_) } 0, 8000, $slots - 1;
}


# Who says that it is itself.
sub owner {
    my ($self, $slot) = @_;

    for my $server ($self->running) {
        my $ranges = eval { $server->command('CLUSTER', 'SLOTS') } or next;
        return $server if grep { $_->[2][2] eq $server->{id}
            && $slot >= $_->[0] && $slot <= $_->[1] } @$ranges;
    }
    return undef;
}


# It is a master with slots, as it says itself.
sub leads {
    my ($server) = @_;

    return 0 unless runs($server);
    my $nodes = eval { $server->command('CLUSTER', 'NODES') } // '';
    return $nodes =~ /^\S+ \S+ \S*myself,master\S* (?:\S+ ){5}\d/m;
}


sub follows {
    my ($server, $master) = @_;

    return 0 unless runs($server);
    my $nodes = eval { $server->command('CLUSTER', 'NODES') } // '';
    return $nodes =~ /myself,slave $master->{id} /;
}


sub name_at {
    my ($self, $prefix, $server) = @_;

    for my $n (0 .. 999) {
        return "$prefix$n" if ($self->owner(slot("$prefix$n")) // 0) == $server;
    }
}


sub open {
    my ($self, $slot, $from, $to) = @_;

    $to->command('CLUSTER', 'SETSLOT', $slot, 'IMPORTING', $from->{id});
    $from->command('CLUSTER', 'SETSLOT', $slot, 'MIGRATING', $to->{id});
}


sub carry {
    my ($self, $slot, $from, $to, $n) = @_;

    my $keys = $from->command('CLUSTER', 'GETKEYSINSLOT', $slot, $n // 1000);
    $from->command('MIGRATE', '127.0.0.1', $to->{port}, '', 0, 5000, 'KEYS',
        @$keys) if @$keys;
    return scalar @$keys;
}


sub close {
    my ($self, $slot, $from, $to) = @_;

    while ($self->carry($slot, $from, $to)) { }
    $_->command('CLUSTER', 'SETSLOT', $slot, 'NODE', $to->{id})
        for $to, $from, grep { leads($_) && $_ != $to && $_ != $from }
            $self->servers;
}


# CRC16, as the cluster's specification has it.
sub slot {
    my ($key) = @_;

    $key = $1 if $key =~ /\A[^{]*\{([^}]+)\}/s;
    my $crc = 0;
    for my $byte (unpack 'C*', $key) {
        $crc ^= $byte << 8;
        $crc = $crc & 0x8000 ? ($crc << 1 ^ 0x1021) & 0xffff : $crc << 1
            for 1 .. 8;
    }
    return $crc % $slots;
}

1;
