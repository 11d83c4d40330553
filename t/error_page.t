use strict;
use warnings;

# An error page may lead to a location that asks somebody else.  What that says
# is what the client gets, and not a word of the API's: the trail says how the
# call itself ended, nothing is stored, no mark is taken away, and what was
# reserved is settled by what the API did.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test::Cache;
use Proctor::Test::Wait qw(free_ports);
use Test::More;

my $base = '/api/v2/experiments';
my $redis = redis();
my ($other) = free_ports(1);
my $t = gateway($redis,
    http => "server {\n    listen 127.0.0.1:$other;\n"
        . "    location / { return 200 '{}'; }\n"
        . "    location /api/v2/experiments/gone/ { return 404; }\n"
        . "    location /api/v2/experiments/busy/ {\n"
        . "        add_header Retry-After 60 always;\n        return 429;\n"
        . "    }\n}\n",
    server => <<"EOT",
        proxy_read_timeout 300ms;
        location $base/plain/ {
            proctor respan;
            proxy_intercept_errors on;
            error_page 409 500 502 504 = /instead;
            proxy_pass http://sandbox;
        }
        location $base/ {
            proctor respan;
            proxy_intercept_errors on;
            error_page 409 500 502 504 = \@other;
            proxy_pass http://sandbox;
        }
        location = /instead { return 200 '{}'; }
        location \@other {
            proxy_pass http://127.0.0.1:$other;
        }
EOT
    teams => sub {
        my ($data) = @_;
        $data->{teams}{alpha}{quotas} = [{ name => 'calls', limit => 100,
            per => '1d', charge => 'accepted' }];
    },
);


# How much is left of the quota, as an answer says.
sub left {
    my ($r) = @_;

    my ($n) = ($r->{headers}{ratelimit} // '') =~ /r=(\d+)/;
    return $n;
}


# how it ended
my @cases = (
    # rule, result, the API's status, counts
    [{ close => 'before' }, 'upstream_error', undef, 1],
    [{ hold => 'silence' }, 'timeout', undef, 1],
    [{ status => 409, json => {} }, 'refused', 409, 0],
    [{ status => 500, json => {} }, 'upstream_error', 500, 0],
);

for my $where ('plain', 'other', 'gone') {
    for my $case (@cases) {
        my ($rule, $result, $status, $counts) = @$case;
        my $name = "$where, after $result " . ($status // '');

        $t->sandbox->clear;
        my $before = left($t->request(GET => "$base/none/", key => 'admin'));
        $t->sandbox->behave($rule);
        my $r = $t->request(DELETE => "$base/$where/", key => 'admin');
        $t->sandbox->release('silence') if $rule->{hold};
        is $r->{status}, $where eq 'gone' ? 404 : 200, $name;

        my $record = $t->audit($r);
        is "$record->{kind} $record->{result}", "outcome $result",
            '... the trail knows how it ended';
        is $record->{upstream_status}, $status, '... and what the API said';

        $t->sandbox->clear;
        my $after = left($t->request(GET => "$base/none/", key => 'admin'));
        is $before - $after, $counts,
            '... what was reserved is ' . ($counts ? 'taken' : 'given back');
    }
}


# nothing of it is stored, nor taken for the API's 429
for my $id ('read', 'busy') {
    $t->sandbox->clear;
    $t->sandbox->behave({ status => 500, json => {} });
    is get($t, $id)->{status}, $id eq 'busy' ? 429 : 200,
        "another's answer to a read of $id";
    $t->sandbox->clear;
    upstream($t, $id);
    my $r = get($t, $id);
    is $r->{json}{id}, $id, '... is not kept';
    is calls($t, $r), 1, '... the API is asked again';
}


# who knows whether the API has changed something, or still will?
{
    $t->sandbox->clear;
    upstream($t, 'marked');
    get($t, 'marked');
    is state(get($t, 'marked')), 'hit', 'a read is kept';
    $t->sandbox->behave({ hold => 'silence',
        match => { method => 'DELETE', path => '.' } });
    $t->request(DELETE => "$base/marked/", key => 'admin');
    $t->sandbox->release('silence');
    get($t, 'marked');
    isnt state(get($t, 'marked')), 'hit',
        '... not while a write may be under way';
}

$t->done;
