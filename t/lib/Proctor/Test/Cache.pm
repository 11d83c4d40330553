package Proctor::Test::Cache;

# Fixtures of the cache's tests: gateways that share a Redis, and experiments
# that are whatever the test says.
#
#     my $redis = redis();
#     my $t = gateway($redis, workers => 2);    # arguments of Proctor::Test
#     upstream($t, 'a', headers => {...}, json => {...});
#     my $r = get($t, 'a');                     # as admin, unless told
#     is state($r), 'hit';                      # hit, or why it was forwarded
#     is how($r), 'collapsed';                  # also whether it had to wait
#     is counter($t, 'stores'), 1;
#
# In these gateways' contract an experiment may be kept for a minute, a
# completed one for ten, and its lists and summaries, also those asked for by
# POST, for a minute.

use strict;
use warnings;

use Exporter 'import';
use File::Temp ();

use Proctor::Test;
use Proctor::Test::Redis;
use Proctor::Test::Status qw(becomes);
use Proctor::Test::Wait qw(wait_until);

our @EXPORT = qw(redis gateway upstream path get state how calls counter counters
    entries changes);

my $base = '/api/v2/experiments';


# The server of this test; its directory goes when the test ends.
sub redis {
    my (%args) = @_;

    my $dir = File::Temp->newdir('proctor-redis-XXXXXXXX', TMPDIR => 1);
    my $redis = Proctor::Test::Redis->new(dir => "$dir/redis", %args);
    $redis->{keep} = $dir;
    return $redis;
}


sub gateway {
    my ($redis, %args) = @_;

    my $http = delete $args{http} // '';
    my $contract = delete $args{contract};
    my $timeout = delete $args{timeout} // '2s';
    my $locations = delete $args{locations} // '';

    my $t = Proctor::Test->new(
        http => "proctor_zone main:1m;\nproctor_redis unix:"
            . $redis->socket . " timeout=$timeout;\n$http",
        locations => Proctor::Test::Status::location() . $locations,
        contract => sub {
            my ($name, $data) = @_;
            changes($data) if $name eq 'respan';
            $contract->($name, $data) if $contract;
        },
        %args,
    );
    becomes($t, 'ready') unless $args{stopped};
    return $t;
}


sub changes {
    my ($data) = @_;

    my $paths = $data->{paths};
    my $minute = { groups => ['experiments'], ttl => '1m' };

    $paths->{"$base/"}{get}{'x-proctor'}{cache} = $minute;
    for my $path ("$base/list/", "$base/summary/") {
        $paths->{$path}{$_}{'x-proctor'}{cache} = $minute for qw(get post);
    }
    $paths->{"$base/{experiment_id}/"}{get}{'x-proctor'}{cache} = {
        groups => ['experiment:{experiment_id}'], ttl => '1m',
        ttl_when => { '/status' => { completed => '10m' } },
    };
}


sub path { "$base/$_[0]/" }


# How every GET of this experiment is answered from now on.
sub upstream {
    my ($t, $id, %rule) = @_;

    my $match = delete $rule{match} // {};
    $t->sandbox->behave({
        match => { path => "^\Q$base/$id/\E(\\?|\$)", method => 'GET', %$match },
        times => 0, status => 200,
        exists $rule{body} || exists $rule{raw_b64} || exists $rule{close}
            ? () : (json => { id => $id, status => 'running' }),
        %rule,
    });
}


sub get {
    my ($t, $id, %args) = @_;

    my $method = delete $args{method} // 'GET';
    my $query = delete $args{query} // '';
    return $t->request($method => path($id) . $query, key => 'admin', %args);
}


# "hit", "uri-miss", "stale"... of an answer's Cache-Status; '' without one.
# A hit may still have waited for the answer before it to be stored.
sub state {
    my $how = how(@_);
    return $how eq 'collapsed' ? 'hit' : $how;
}


sub how {
    my ($r) = @_;

    my $said = $r->{headers}{'cache-status'} // return '';
    return 'collapsed' if $said =~ /; collapsed/;
    return 'hit' if $said =~ /\Aproctor; hit/;
    return $said =~ /\Aproctor; fwd=([a-z-]+)/ ? $1 : $said;
}


# How often the upstream was asked for these answers.
sub calls {
    my ($t, @answers) = @_;

    my $n = 0;
    $n += () = $t->upstream($_) for @answers;
    return $n;
}


sub counters {
    my ($t) = @_;

    my $r = $t->request(GET => '/proctor-status');
    return $r->{json}{cache};
}


sub counter { counters($_[0])->{ $_[1] } }


sub entries {
    my ($redis) = @_;

    return @{ $redis->command('KEYS', 'proctor:*:res:*') };
}

1;
