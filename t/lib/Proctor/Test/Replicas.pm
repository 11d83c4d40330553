package Proctor::Test::Replicas;

# Redis servers that replicate one another, on free ports of the loopback, and
# sentinels that watch over them.
#
#     my $set = Proctor::Test::Replicas->new(dir => $dir);    # three, synced
#     $set->servers; $set->addresses;        # the first one is the master
#     $set->watch;                           # three sentinels, which agree
#     $set->master;                          # the sentinels' word: a server
#     $set->synced;                          # waits until all follow it
#     Proctor::Test::Replicas::role($server) # 'master', 'slave', or ''

use strict;
use warnings;

use Proctor::Test::Redis;
use Proctor::Test::Wait qw(free_ports wait_until);

my $sentinel = <<'EOT';
sentinel monitor proctor 127.0.0.1 %d 2
sentinel down-after-milliseconds proctor %d
sentinel failover-timeout proctor 1000
sentinel parallel-syncs proctor 2
EOT

# Its own clock, faster than an operator could set it.  Four times the time to
# publish must be longer than the second in which the leader looks at whom it
# promotes, or the others undo that.  That the machine is busy is no reason for
# them to hold still (TILT).
my %periods = (
    'info-period' => 100, 'ping-period' => 100, 'ask-period' => 100,
    'publish-period' => 400, 'tilt-trigger' => 30000,
);


# dir; servers (3); args: of redis-server
sub new {
    my ($class, %args) = @_;

    my $self = bless { servers => 3, args => [], %args }, $class;
    my $n = $self->{servers};
    my @ports = free_ports($n + 3);

    mkdir $self->{dir};
    $self->{ports} = [splice @ports, $n];
    $self->{servers} = [map {
        Proctor::Test::Redis->new(
            dir => "$self->{dir}/$_", port => $_,
            args => ['--repl-diskless-sync-delay', 0, @{ $self->{args} },
                $_ == $ports[0] ? () : ('--replicaof', "127.0.0.1 $ports[0]")])
    } @ports];
    $_->{args} = [grep { !/\A(?:--replicaof|127\.0\.0\.1 \d+)\z/ }
        @{ $_->{args} }] for $self->servers;

    $self->{first} = $self->{servers}[0];
    $self->synced;
    return $self;
}


sub servers   { @{ $_[0]{servers} } }
sub addresses { map { "127.0.0.1:$_->{port}" } $_[0]->servers }


sub role {
    my ($server) = @_;

    return '' unless $server->{pid};
    my $role = eval { $server->try('ROLE') };    # Sentinel cuts connections
    return ref $role eq 'ARRAY' ? $role->[0] : '';
}


sub watch {
    my ($self, %args) = @_;

    my $port = $self->master->{port};
    my $after = $args{after} // 400;

    for my $own (@{ $self->{ports} }) {
        my $file = "$self->{dir}/sentinel-$own.conf";
        open my $fh, '>', $file or die "$file: $!\n";
        printf {$fh} $sentinel, $port, $after;
        close $fh or die "$file: $!\n";

        push @{ $self->{sentinels} }, my $new = Proctor::Test::Redis->new(
            dir => "$self->{dir}/sentinel-$own", port => $own,
            file => $file, args => ['--sentinel']);
        $new->command('SENTINEL', 'DEBUG', %periods);
    }

    $self->synced;
}


# whom all sentinels name; without any, the first server
sub master {
    my ($self) = @_;

    my @sentinels = @{ $self->{sentinels} || [] } or return $self->{first};
    my %said = map { $_->command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME',
        'proctor')->[1] => 1 } @sentinels;
    return undef if keys %said != 1;
    my ($server) = grep { exists $said{ $_->{port} } } $self->servers;
    return $server;
}


# Whoever runs is at the master's side, and the sentinels know that.
sub synced {
    my ($self) = @_;

    wait_until('the replicas to be at the master',
        sub { eval { $self->settled } }, 30);
}


sub settled {
    my ($self) = @_;

    my $master = $self->master or return 0;
    return 0 if role($master) ne 'master';

    my @replicas = grep { $_->{pid} && $_ != $master } $self->servers;
    for (@replicas) {
        my $info = $_->try('INFO', 'replication');
        return 0 if $info !~ /^master_link_status:up/m
            || $info !~ /^master_port:$master->{port}\r/m;
    }

    for (@{ $self->{sentinels} || [] }) {
        my %it = @{ $_->command('SENTINEL', 'MASTER', 'proctor') };
        return 0 if $it{flags} ne 'master' || $it{'num-other-sentinels'} != 2;
        my @all = map { +{ @$_ } }
            @{ $_->command('SENTINEL', 'REPLICAS', 'proctor') };
        my @well = grep { $_->{flags} eq 'slave'
            && $_->{'master-link-status'} eq 'ok'
            && $_->{'master-port'} == $master->{port} } @all;
        return 0 if @well != @replicas;
    }
    return 1;
}

1;
