use strict;
use warnings;

# Who calls, and may they?  Nothing is told before a key is known.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Test::More;

my $base = '/api/v2/experiments';
my $span = '/api/v1/agent_spans/x/finish';

my $t = Proctor::Test->new(teams => sub {
    my ($data, $teams) = @_;
    push @{ $data->{teams}{alpha}{keys} },
        $teams->key('soon', expires => '2199-01-01T00:00:00Z'),
        $teams->key('writer', rights => ['create']);
});
my $admin = $t->teams->token('admin');


# K1, K2, H11: not a key; the same words for whatever is wrong with it
my %bodies;

for my $case (
    ['garbage',             'Bearer garbage'],
    ['a prefix of a key',   'Bearer ' . substr $admin, 0, -1],
    ['a key and a byte',    "Bearer ${admin}0"],
    ['a key in upper case', 'Bearer ' . uc $admin],
    ['a key in quotes',     qq(Bearer "$admin")],
    ['an expired key',      'Bearer ' . $t->teams->token('late')],
    ['4,000 bytes',         'Bearer ' . ('x' x 4000)],
    ['bytes that are no text', "Bearer \xff\xfe\x80"],
    ['two keys',            "Bearer $admin, Bearer $admin"],
    ['two words',           "Bearer $admin $admin"],
    ['a digest for a key',
        'Bearer ' . $t->teams->{data}{teams}{alpha}{keys}[0]{sha256}],
    ['the upstream key',    'Bearer ' . $t->teams->{upstream}{respan}],
) {
    my ($name, $value) = @$case;
    my $r = $t->request(GET => "$base/", headers => [Authorization => $value]);
    $t->refuses($r, 401, "$name: 401");
    like $r->{headers}{'www-authenticate'}, qr/\ABearer\b/, '... Bearer is asked for';
    $bodies{ $r->{body} } = $name;

    $r = $t->request(POST => $span, json => {},
        headers => [Authorization => $value]);
    $t->refuses($r, 401, "$name: 401 in the other shape",
        code => 'bad_authtoken');
}

is keys %bodies, 1, 'one body for every wrong key'
    or diag explain \%bodies;

for my $case (
    ['no header at all', []],
    ['an empty header',  [Authorization => '']],
    ['a scheme only',    [Authorization => 'Bearer']],
    ['a scheme and a space', [Authorization => 'Bearer ']],
    ['another scheme',   [Authorization => 'Basic dXNlcjpwYXNz']],
    ['Api-Key',          [Authorization => "Api-Key $admin"]],
    ['no scheme',        [Authorization => $admin]],
    ['X-Api-Key',        ['X-Api-Key' => $admin]],
    ['a cookie',         [Cookie => "key=$admin"]],
    ['Proxy-Authorization', ['Proxy-Authorization' => "Bearer $admin"]],
) {
    my ($name, $headers) = @$case;
    my $r = $t->request(GET => "$base/", headers => $headers);
    $t->refuses($r, 401, "$name: 401");
    like $r->{headers}{'www-authenticate'}, qr/\ABearer\b/, '... Bearer is asked for';

    $r = $t->request(POST => $span, json => {}, headers => $headers);
    $t->refuses($r, 401, "$name: 401 in the other shape");
    like $r->{json}{code}, qr/\A(?:not_authenticated|bad_authtoken)\z/,
        '... with a code of the API';
}

{
    my $r = $t->request(POST => $span, json => {});
    is $r->{json}{code}, 'not_authenticated', 'none given has its own code';

}

# at level info nginx itself would write both of these into its log
{
    my $quiet = Proctor::Test->new(log_level => 'notice');
    my $r = $quiet->request(GET => "$base/", key => 'admin',
        headers => [$quiet->authorization('admin')]);
    ok $r->{status} == 400 || $r->{status} == 401, 'two Authorization lines';
    is scalar(my @got = $quiet->upstream($r)), 0, '... and not forwarded';

    # K13; the access log and nginx's own lines hold no query at this level
    my $token = $quiet->teams->token('admin');
    $r = $quiet->request(GET => "$base/?api_key=$token");
    $quiet->refuses($r, 401, 'a key in the query is none');
    is $quiet->audit($r)->{query}, undef, '... and is not written down';
    $quiet->stop;
}

# the scheme's name has no case (RFC 9110, 11.1)
$t->passes($t->request(GET => "$base/",
    headers => [Authorization => "bearer $admin"]), 'bearer in lower case');


# 401 before anything else is told
for my $case (
    [GET    => "$base/no/such/path/"],
    [DELETE => "$base/"],
    [POST   => "$base/", body => '{'],
    [GET    => "$base/?page_size=0"],
    [GET    => "$base"],
) {
    my ($method, $target, @more) = @$case;
    my $r = $t->request($method, $target, @more);
    $t->refuses($r, 401, "$method $target without a key: 401");
}


# rights
for my $case (
    [POST   => "$base/",              'create'],
    [PATCH  => "$base/exp_1/",        'update'],
    [PUT    => "$base/exp_1/",        'update'],
    [DELETE => "$base/exp_1/",        'delete'],
    [PATCH  => "$base/exp_1/logs/t/", 'resume'],
) {
    my ($method, $target, $right) = @$case;
    my $r = $t->request($method, $target, key => 'viewer',
        $method eq 'DELETE' ? () : (json => {}));
    $t->refuses($r, 403, "$method $target as a viewer: 403",
        says => qr/\b$right\b/);
}

$t->passes($t->request(GET => "$base/", key => 'viewer'), 'a viewer reads');
$t->passes($t->request(POST => "$base/list/", key => 'viewer', json => {}),
    'a viewer filters');
$t->refuses($t->request(GET => "$base/", key => 'writer'), 403,
    'one right is not another', says => qr/\bread\b/);

{
    my $r = $t->request(POST => $span, key => 'viewer', json => {});
    $t->refuses($r, 403, 'the other shape', code => 'not_permitted');
}

# the right comes before the input, and after the route
{
    my $r = $t->request(POST => "$base/", key => 'viewer', body => '{');
    $t->refuses($r, 403, 'a bad body without the right: 403');
    $r = $t->request(POST => "$base/x/", key => 'viewer', body => '{');
    $t->refuses($r, 405, 'a wrong method without any right: 405');
}


# a team without an account for this contract
{
    my $r = $t->request(GET => "$base/", key => 'beta');
    $t->passes($r, 'the team may use one API');
    $r = $t->request(POST => $span, key => 'beta', json => {});
    $t->refuses($r, 403, '... and not the other', code => 'not_permitted');
}


# K5: two valid keys while they are rotated
$t->passes($t->request(GET => "$base/", key => $_), "the $_ key works")
    for qw(old new soon);

is $t->audit($t->request(GET => "$base/", key => 'new'))->{key}, 'k-new',
    'the trail says which key it was';


# K4: a key that is taken out is refused after the reload
{
    my $keys = $t->teams->{data}{teams}{alpha}{keys};
    @$keys = grep { $_->{id} ne 'k-old' } @$keys;
    $t->teams->write($t->home . '/teams.json');

    my $kept = $t->connect;
    my $r = $t->request(GET => "$base/", key => 'old', conn => $kept);
    $t->passes($r, 'before the reload it works');
    $t->nginx->reload;

    $r = $t->request(GET => "$base/", key => 'old');
    $t->refuses($r, 401, 'after the reload it does not');
    $t->passes($t->request(GET => "$base/", key => 'new'),
        '... and the other still does');
    ok $kept->closed(10), 'the old connection was closed when idle';
}

# nothing says more than it must (K7)
{
    my $r = $t->request(GET => "$base/", token => 'wrong');
    unlike $r->{body} . $r->{head}, qr/127\.0\.0\.1|sandbox|acme|alpha/,
        'a 401 tells nothing of the inside';
}

$t->done;
