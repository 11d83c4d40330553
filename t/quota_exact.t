use strict;
use warnings;

# Exactly as many calls get through as there are, whoever asks: four workers
# and their zone, then three gateways and their Redis, twenty times, with 64
# connections that all ask at once.

use Digest::SHA qw(sha256_hex);
use File::Temp ();
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Proctor::Test;
use Proctor::Test::Redis;
use Proctor::Test::Status qw(becomes);
use Test::More;

my $target = '/api/v2/experiments/exp_none/';
my $secret = 'proctor_' . sha256_hex(rand);
my $dir = File::Temp->newdir('proctor-XXXXXXXX', TMPDIR => 1);
my $redis = Proctor::Test::Redis->new(dir => "$dir/redis");


# one team, with the same key and quota at every gateway
sub fixture {
    my (%args) = @_;

    my $in_redis = delete $args{redis};
    my $per = delete $args{per} // '1h';
    my $t = Proctor::Test->new(
        teams => sub {
            my ($data, $teams) = @_;
            $teams->{tokens}{admin} = $secret;
            $data->{teams}{alpha}{keys}[0]{sha256} = sha256_hex($secret);
            $data->{teams}{alpha}{quotas}
                = [{ name => 'calls', limit => 1000, per => $per }];
        },
        http => sub {
            "proctor_cache off; proctor_zone main:1m;\n" . ($in_redis
                ? 'proctor_redis unix:' . $redis->socket . " timeout=2s;\n"
                : '');
        },
        $in_redis ? (locations => Proctor::Test::Status::location()) : (),
        log_level => 'warn',
        %args,
    );
    becomes($t, 'ready') if $in_redis;
    return $t;
}


# How each of so many calls ended, by 64 connections of 16 processes; what one
# gets is known before it asks again.
sub storm {
    my ($calls, @gateways) = @_;

    my @children;
    for my $child (0 .. 15) {
        pipe my $from, my $to or die "pipe: $!\n";
        my $pid = fork // die "fork: $!\n";
        unless ($pid) {
            my %count;
            my @conns = map {
                my $t = $gateways[($child + $_) % @gateways];
                [$t->connect, $t->bytes(GET => $target, key => 'admin')];
            } 0 .. 3;
            for (1 .. $calls / 64) {
                $_->[0]->send($_->[1]) for @conns;
                for my $c (@conns) {
                    my $answer = $c->[0]->answer(method => 'GET');
                    $count{ $answer ? $answer->{status} : 'none' }++;
                }
            }
            print {$to} encode_json(\%count);
            close $to;
            kill 'KILL', $$;
        }
        close $to;
        push @children, [$pid, $from];
    }

    my %count;
    for my $child (@children) {
        my $said = decode_json(do { local $/; readline $child->[1] } // '{}');
        $count{$_} += $said->{$_} for keys %$said;
        waitpid $child->[0], 0;
    }
    return join ' ', map { "$_:$count{$_}" } sort keys %count;
}


{
    my $t = fixture(workers => 4);
    is storm(1152, $t), '404:1000 429:152',
        'four workers, one zone, 64 connections: exactly 1,000';

    $t->nginx->reload;
    is $t->request(GET => $target, key => 'admin')->{status}, 429,
        'a reload forgets nothing';
    $t->stop;
}


# A slice of an hour lasts longer than all runs, one of half a minute is turned
# over while a run is under way.
for my $case (['1h', 20], ['30s', 3]) {
    my ($per, $runs) = @$case;
    my @t = map { fixture(redis => 1, per => $per) } 1 .. 3;
    my (@wrong, %scripts);

    for my $run (1 .. $runs) {
        my $got = storm(1152, @t);
        push @wrong, "run $run: $got" if $got ne '404:1000 429:152';

        my @keys = @{ $redis->command('KEYS', '*') };
        push @wrong, "run $run: no key" unless @keys;
        push @wrong, map { "run $run: $_ stays" } grep {
            $redis->command('PTTL', $_) < 0
        } @keys;
        $redis->command('FLUSHALL');
    }
    is join("\n", @wrong), '', "$runs runs of three gateways, one Redis, 64 "
        . "connections, 1,000 in $per: exactly 1,000; no key stays";

    for my $t (@t) {
        my $said = $t->request(GET => '/proctor-status')->{json}{quotas};
        cmp_ok $said->{added}, '>', 10 * $runs,
            "... $said->{added} asked without a script, $said->{scripts} with";
        is $said->{lost}, 0, '... none was lost';
    }
    $_->stop for @t;
}

done_testing;
