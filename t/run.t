use strict;
use warnings;

# A request meets nginx's other modules: whatever they do before, beside or
# after the steps, it is judged exactly once, by us, and has one record.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Test::More;

my $base = '/api/v2/experiments';

my $t = Proctor::Test->new(
    http => sub {
        my ($self) = @_;
        my $listen = "listen 127.0.0.1:$self->{port};";
        return <<"EOT";
    limit_req_zone \$server_name zone=slow:1m rate=1r/m;
    server {
        $listen
        server_name any.test;
        location / {
            proctor respan;
            satisfy any;
            allow all;
            auth_basic "other";
            auth_basic_user_file /dev/null;
            proxy_pass http://sandbox;
        }
    }
    server {
        $listen
        server_name limited.test;
        location / {
            proctor respan;
            limit_req zone=slow;
            proxy_pass http://sandbox;
        }
    }
    server {
        $listen
        server_name asked.test;
        location / {
            proctor respan;
            auth_request /ask;
            proxy_pass http://sandbox;
        }
        location = /ask {
            internal;
            return 403;
        }
    }
    server {
        $listen
        server_name whole.test;
        proctor respan;
        location / {
            proxy_pass http://sandbox;
        }
        location /api/v2/experiments/off {
            proctor off;
            return 204;
        }
    }
    server {
        $listen
        server_name tried.test;
        location / {
            root /nonexistent;
            try_files \$uri \@api;
        }
        location \@api {
            proctor respan;
            proxy_pass http://sandbox;
        }
    }
    server {
        $listen
        server_name paged.test;
        recursive_error_pages on;
        location / {
            proctor respan;
            error_page 400 401 403 404 405 = \@page;
            proxy_pass http://sandbox;
        }
        location \@page {
            return 200 "never";
        }
    }
    server {
        $listen
        server_name slowly.test;
        location / {
            proctor respan;
            mirror /copy;
            mirror_request_body on;
            client_body_buffer_size 1k;
            proxy_pass http://sandbox;
        }
        location = /copy {
            internal;
            proxy_pass http://sandbox/copied;
        }
    }
EOT
    },
);

sub get { $t->request(GET => "$base/", host => $_[0], @_[1 .. $#_]) }


# K12: another module's consent is not ours
$t->refuses(get('any.test'), 401, 'satisfy any does not let a stranger in');
$t->passes(get('any.test', key => 'admin'), '... nor keeps a caller out');


# another module's refusal is JSON in the API's shape, and recorded once
{
    $t->passes(get('limited.test', key => 'admin'), 'the first is in the limit');
    my $r = get('limited.test', key => 'admin');
    $t->refuses($r, 503, 'the second is refused by limit_req');
    my @records = $t->audit($r);
    is @records, 1, '... and has one record';
    is $records[0]{decision}, 'refused', '... of a refusal';

    $r = get('asked.test', key => 'admin');
    $t->refuses($r, 403, 'auth_request refuses');
    is scalar(my @once = $t->audit($r)), 1, '... and has one record';
}


# a contract of the server is one of all its locations
{
    $t->refuses(get('whole.test'), 401, 'a contract of the whole server');
    $t->passes(get('whole.test', key => 'admin'), '... lets callers pass');
    my $r = $t->request(GET => "$base/off", host => 'whole.test');
    is $r->{status}, 204, '... but where it is off';
}


# K11: a contract behind try_files is met once, and by everybody
{
    $t->refuses(get('tried.test'), 401, 'try_files does not go around a contract');
    $t->refuses(get('tried.test', key => 'admin', headers =>
        ['X-HTTP-Method', 'DELETE']), 400, '... nor around its rules');
    my $r = get('tried.test', key => 'admin');
    $t->passes($r, '... lets callers pass');
    my ($got) = $t->upstream($r);
    is_deeply [Proctor::Test::Sandbox::values_of($got, 'Authorization')],
        ['Bearer ' . $t->teams->{upstream}{respan}], '... with the one key';
    is scalar(my @once = $t->audit($r)), 1, '... and has one record';
}


# an error page of the operator's cannot make a refusal a success
for my $case ([401], [404, key => 'admin', path => "$base/x/y/"],
    [405, key => 'admin', path => "$base/", method => 'PUT'],
    [400, key => 'admin', path => "$base/?page=0"]) {
    my ($status, %call) = @$case;
    my $r = $t->request($call{method} // 'GET', $call{path} // "$base/",
        host => 'paged.test', $call{key} ? (key => $call{key}) : ());
    $t->refuses($r, $status, "a $status stays one beside error_page");
    is scalar(my @records = $t->audit($r)), 1, '... with one record';
}


# a body that several modules read
{
    my $body = '{"dataset_id":"d","evaluator_ids":["e"],"workflow":'
        . '[{"type":"t"}],"x":"' . ('y' x 5000) . '"}';
    my $r = $t->request(POST => "$base/", key => 'admin', body => $body,
        host => 'slowly.test');
    my $got = Proctor::Test::Wait::wait_until('the copy', sub {
        my @got = $t->upstream($r);
        return @got == 2 ? \@got : undef;
    });
    is $_->{body}, $body, "$_->{target} has the whole body" for @$got;
    is scalar(my @records = $t->audit($r)), 1, '... and one record';

    my $n = () = $t->sandbox->log;
    $r = $t->request(POST => "$base/", key => 'admin', body => "$body}",
        host => 'slowly.test');
    is $r->{status}, 400, 'a bad body is refused beside a mirror';
    my @log = $t->sandbox->log;
    ok !(grep { $_->{target} =~ m{^/api/} } @log[$n .. $#log]),
        '... and does not go on';
}

$t->done;
