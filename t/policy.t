use strict;
use warnings;

# What a team may ask for, laid over the contract: 403 with the reason.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Test::More;

my $base = '/api/v2/experiments';
my $path = "$base/";

my $t = Proctor::Test->new(teams => sub {
    my ($data, $teams) = @_;
    $data->{teams}{alpha}{policy} = {
        'experiment.create' => {
            properties => {
                concurrency => { maximum => 20 },
                workflow    => { items => { properties => {
                    config => { properties => {
                        model => { enum => ['small', 'medium'] } } } } } },
            },
        },
        'span.finish' => {
            properties => { status => { enum => ['complete'] } } },
    };
});

my %fine = (dataset_id => 'd', evaluator_ids => ['e'],
    workflow => [{ type => 'completion', config => { model => 'small' } }]);

sub create { $t->request(POST => $path, key => $_[0], json => { %fine, @_[1 .. $#_] }) }


$t->passes(create('admin'), 'what the policy allows');
$t->passes(create('admin', concurrency => 20), 'its bound');

{
    my $r = create('admin', concurrency => 21);
    $t->refuses($r, 403, 'over the bound: 403', says => qr/concurrency/);
    my $record = $t->audit($r);
    is $record->{decision}, 'refused', '... is refused in the trail';
    is $record->{reason}, 'policy', '... for the policy';

    $r = create('admin', workflow => [
        { type => 'completion', config => { model => 'large' } }]);
    $t->refuses($r, 403, 'another model: 403', says => qr/model/);
}

$t->passes(create('beta', concurrency => 21), 'another team is not bound by it');
$t->passes($t->request(PATCH => "${path}x/", key => 'admin',
    json => { concurrency => 21 }), 'nor is another operation');


# the contract comes first
{
    my $r = create('admin', concurrency => 'x');
    $t->refuses($r, 400, 'what the contract refuses is a 400');
    $r = create('admin', concurrency => 99, dataset_id => 7);
    $t->refuses($r, 400, 'both: a 400', fields => ['dataset_id']);
}


# the right comes before both
$t->refuses(create('viewer', concurrency => 99), 403, 'no right: 403',
    says => qr/\bcreate\b/);


# the other shape
{
    my $r = $t->request(POST => '/api/v1/agent_spans/x/finish', key => 'admin',
        json => { status => 'failed' });
    $t->refuses($r, 403, 'the other API', code => 'not_permitted',
        says => qr/status/);
    $t->passes($t->request(POST => '/api/v1/agent_spans/x/finish',
        key => 'admin', json => { status => 'complete' }), '... and its bound');
}


# a bad policy is no configuration
for my $case (
    [qr/no\.such/, 'an unknown operation', { 'no.such' => {} }],
    [qr/maximun/, 'an unknown keyword', { 'experiment.create' => {
        properties => { concurrency => { maximun => 3 } } } }],
) {
    my ($why, $name, $policy) = @$case;
    local $t->teams->{data}{teams}{alpha}{policy} = $policy;
    $t->teams->write($t->home . '/teams.json');
    my ($fine, $said) = $t->nginx->test;
    ok !$fine, "$name is refused";
    like $said, $why, '... by its name';
}

$t->done;
