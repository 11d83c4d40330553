use strict;
use warnings;

# proctor_mode observe: what validation or policy would refuse goes through,
# and the trail says what would have been said.  Nothing else is relaxed.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Test::More;

my $base = '/api/v2/experiments';

my $t = Proctor::Test->new(
    options => 'proctor_mode observe; client_max_body_size 64k;',
    teams   => sub {
        my ($data) = @_;
        $data->{teams}{alpha}{policy} = { 'experiment.create' => {
            properties => { concurrency => { maximum => 20 } } } };
    },
);

my %fine = (dataset_id => 'd', evaluator_ids => ['e'],
    workflow => [{ type => 'x' }]);


# what is observed
for my $case (
    ['a bad query', 'bad_input', qr/page_size/,
        [GET => "$base/?page_size=0", key => 'admin']],
    ['a parameter given twice', 'bad_input', qr/page/,
        [GET => "$base/?page=1&page=1", key => 'admin']],
    ['a bad body', 'bad_input', qr/dataset_id/,
        [POST => "$base/", key => 'admin', json => { %fine, dataset_id => 1 }]],
    ['no scoring path', 'bad_input', qr/evaluator/,
        [POST => "$base/", key => 'admin', json => { %fine,
            evaluator_ids => [] }]],
    ['more than the policy allows', 'policy', qr/concurrency/,
        [POST => "$base/", key => 'admin', json => { %fine,
            concurrency => 21 }]],
) {
    my ($name, $reason, $says, $call) = @$case;
    my $r = $t->request(@$call);
    $t->passes($r, "$name passes");
    my $record = $t->audit($r);
    is $record->{decision}, 'observed', '... is observed';
    is $record->{reason}, $reason, "... for $reason";
    like $record->{detail}, $says, '... with what would have been said';
}

{
    my $body = '{"dataset_id":1,  "x":[1, 2]}';
    my $r = $t->request(POST => "$base/", key => 'admin', body => $body);
    my ($got) = $t->upstream($r);
    is $got->{body}, $body, 'the body is forwarded as it came';

    $r = $t->request(GET => "$base/", key => 'admin');
    is $t->audit($r)->{decision}, 'allowed', 'what fits is simply allowed';
}


# what is refused all the same
for my $case (
    ['no key',       401, [GET => "$base/"]],
    ['a wrong key',  401, [GET => "$base/", token => 'x']],
    ['no right',     403, [DELETE => "$base/x/", key => 'viewer']],
    ['no path',      404, [GET => "$base/x/y/", key => 'admin']],
    ['a bad path',   400, [GET => "$base/%41/", key => 'admin']],
    ['a bad method', 405, [DELETE => "$base/", key => 'admin']],
    ['an override',  400, [POST => "$base/", key => 'admin', json => {%fine},
        headers => ['X-HTTP-Method-Override', 'DELETE']]],
    ['_method',      400, [GET => "$base/?_method=DELETE", key => 'admin']],
    ['a fat GET',    400, [GET => "$base/", key => 'admin', body => '{}']],
    ['a large body', 413, [POST => "$base/", key => 'admin',
        body => 'x' x 65_537]],
) {
    my ($name, $status, $call) = @$case;
    my $r = $t->request(@$call);
    $t->refuses($r, $status, "$name: $status, observed or not");
    is $t->audit($r)->{decision}, 'refused', '... and refused in the trail';
}

# one location's mode is its own
{
    my $both = Proctor::Test->new(
        http => sub {
            my ($self) = @_;
            return <<"EOT";
    server {
        listen 127.0.0.1:$self->{port};
        server_name observed.test;
        proctor_mode observe;
        location / {
            proctor respan;
            proxy_pass http://sandbox;
        }
    }
EOT
        });
    $both->passes($both->request(GET => "$base/?page=0", key => 'admin',
        host => 'observed.test'), 'observed here');
    $both->refuses($both->request(GET => "$base/?page=0", key => 'admin'), 400,
        'enforced there');
    $both->stop;
}

$t->done;
