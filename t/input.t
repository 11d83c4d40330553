use strict;
use warnings;

# Do path, query, headers and body fit the contract?  What is refused names
# the field and the rule; what passes is not touched.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Test::More;

my $t = Proctor::Test->new;
my $base = '/api/v2/experiments';
my @create = (dataset_id => 'ds_1', workflow => [
    { type => 'completion', config => { model => 'm' } }]);

sub post { $t->request(POST => $_[0], key => 'admin', @_[1 .. $#_]) }
sub get  { $t->request(GET => $_[0], key => 'admin') }


# exactly one scoring path
for my $case (
    ['ids',        1, evaluator_ids => ['e']],
    ['slugs',      1, evaluator_slugs => ['e']],
    ['ids and slugs', 1, evaluator_ids => ['e'], evaluator_slugs => ['f']],
    ['workflow ids',  1, evaluator_workflow_ids => ['w']],
    ['ids, and an empty list of the other path', 1,
        evaluator_ids => ['e'], evaluator_workflow_ids => []],
    ['none',       0],
    ['empty lists only', 0, evaluator_ids => [], evaluator_workflow_ids => []],
    ['an empty list', 0, evaluator_slugs => []],
    ['both',       0, evaluator_ids => ['e'], evaluator_workflow_ids => ['w']],
    ['slugs and workflow ids', 0,
        evaluator_slugs => ['e'], evaluator_workflow_ids => ['w']],
) {
    my ($name, $fine, @scoring) = @$case;
    my $r = post("$base/", json => { @create, @scoring });

    if ($fine) {
        $t->passes($r, "scoring path: $name");
        next;
    }
    $t->refuses($r, 400, "scoring path: $name: 400", says => qr/evaluator/);
    like join(' ', sort keys %{ $r->{json}{errors} || {} }),
        qr/evaluator_(?:ids|slugs).*evaluator_workflow_ids/,
        '... names the fields';
}

# an update may leave the scoring out, but not give both
for my $method (qw(PUT PATCH)) {
    my $r = $t->request($method, "$base/x/", key => 'admin',
        json => { name => 'n' });
    $t->passes($r, "$method without scoring");
    $r = $t->request($method, "$base/x/", key => 'admin', json => {
        evaluator_ids => ['e'], evaluator_workflow_ids => ['w'] });
    $t->refuses($r, 400, "$method with both scoring paths: 400");
}


# the other rules of a create
my @scored = (@create, evaluator_ids => ['e']);

for my $case (
    ['no dataset',   ['dataset_id'], sub { delete $_->{dataset_id} }],
    ['no workflow',  ['workflow'],   sub { delete $_->{workflow} }],
    ['no step',      ['workflow'],   sub { $_->{workflow} = [] }],
    ['a step without a type', ['workflow.0.type'],
        sub { delete $_->{workflow}[0]{type} }],
    ['a type that is no string', ['workflow.0.type'],
        sub { $_->{workflow}[0]{type} = 7 }],
    ['a config that is no object', ['workflow.0.config'],
        sub { $_->{workflow}[0]{config} = [] }],
    ['a step that is no object', ['workflow.1'],
        sub { $_->{workflow}[1] = 'x' }],
    ['a dataset that is no string', ['dataset_id'],
        sub { $_->{dataset_id} = 1 }],
    ['a batch size that is no integer', ['batch_size'],
        sub { $_->{batch_size} = 'many' }],
    ['half a worker', ['concurrency'], sub { $_->{concurrency} = 1.5 }],
    ['two faults', ['concurrency', 'name'],
        sub { $_->{concurrency} = 'x'; $_->{name} = {} }],
) {
    my ($name, $fields, $change) = @$case;
    my $body = { @scored, workflow => [{ type => 'eval', config => {} }] };
    $change->() for $body;
    my $r = post("$base/", json => $body);
    $t->refuses($r, 400, "$name: 400", fields => $fields);

    my @sentences = map { @$_ } values %{ $r->{json}{errors} || {} };
    ok !(grep { !/\A[A-Z].*\.\z/ } @sentences), '... in whole sentences'
        or diag explain \@sentences;
}

for my $case (
    ['an unknown field',  sub { $_->{not_in_any_list} = { a => [] } }],
    ['an unknown type of step', sub { $_->{workflow}[0]{type} = 'custom' }],
    ['a step without config', sub { delete $_->{workflow}[0]{config} }],
    ['null for what is optional', sub { $_->{description} = undef }],
    ['a huge batch', sub { $_->{batch_size} = 1_000_000 }],
) {
    my ($name, $change) = @$case;
    my $body = { @scored, workflow => [{ type => 'eval', config => {} }] };
    $change->() for $body;
    $t->passes(post("$base/", json => $body), "$name passes");
}


# a resume needs both, and null is a value
sub resume {
    $t->request(PATCH => "$base/x/logs/y/", key => 'admin', json => $_[0]);
}

$t->passes(resume({ input => undef, output => undef }), 'input: null passes');
$t->passes(resume({ input => 'a', output => [1, { b => 2 }] }),
    'any JSON is an output');
$t->refuses(resume({ input => 'a' }), 400, 'a resume without output: 400',
    fields => ['output']);
$t->refuses(resume({ output => 'a' }), 400, 'a resume without input: 400',
    fields => ['input']);
$t->refuses(resume({}), 400, 'a resume with neither: 400',
    fields => ['input', 'output']);
$t->refuses(resume([]), 400, 'a resume that is a list: 400');


# filters: the 24 operators
for my $operator ('', qw(= == eq equals iexact in not contains icontains
    startswith endswith gt gte lt lte isnull regex ilike trigram_word_similar
    full_text_search empty notEmpty not_empty)) {
    my $r = post("$base/list/", json => { filters => {
        status => { operator => $operator, value => ['x'] } } });
    $t->passes($r, "operator '$operator'");
}

for my $filters (
    { status => { operator => 'sounds_like', value => ['x'] } },
    { status => { operator => 'in', value => { a => 1 } } },
    { status => { operator => 'in' } },
    [{ field => 'status', operator => '=', value => 'x' }],
    'status=x',
) {
    my $r = post("$base/list/", json => { filters => $filters });
    $t->refuses($r, 400, 'filters: ' . JSON::PP->new->canonical->allow_nonref
        ->encode($filters) . ': 400');
}

$t->passes(post("$base/list/", json => {}), 'no filter at all');
$t->passes(post("$base/list/", json => { filters => {} }), 'an empty filter');
$t->passes(post("$base/list/", json => { filters => {
    cost => { operator => 'gte', value => 0.5 } } }), 'a scalar value');


# the query: only what is declared is judged
for my $case (
    # target, fine, field
    ['page_size=1', 1], ['page_size=100', 1], ['page=1', 1],
    ['page=123456', 1], ['page_size=0', 0, 'page_size'],
    ['page_size=101', 0, 'page_size'], ['page_size=1e2', 0, 'page_size'],
    ['page_size=', 0, 'page_size'], ['page_size', 0, 'page_size'],
    ['page_size=%31', 1],
    ['page_size=10&page_size=20', 0, 'page_size'],
    ['page_size=10&page_size=10', 0, 'page_size'],
    ['page%5fsize=10', 0], ['page%5Fsize=0', 0], ['%70age=1', 0],
    ['page=0', 0, 'page'], ['page=-1', 0, 'page'], ['page=007', 0, 'page'],
    ['page=+1', 0, 'page'], ['page=%2B1', 0, 'page'],
    ['page=1.0', 0, 'page'], ['page=0x1', 0, 'page'],
    ['page=1e3', 0, 'page'], ['page=%EF%BC%99', 0, 'page'],
    ['page=1%20', 0, 'page'], ['page=%201', 0, 'page'],
    ['page=1%00', 0], ['page=9223372036854775808', undef],
    ['page=abc', 0, 'page'], ['page=null', 0, 'page'],
    ['page=1;page_size=0', 0, 'page'],
    ['page=1%26page_size=0', 0, 'page'],
    ['PAGE=0', 1], ['Page_Size=0', 1], ['page_size[]=0', 1],
    ['unknown=1&unknown=2', 1], ['unknown=%2e%2e%2f', 1], ['=x', 1],
    ['&&page=1&&', 1], ['a=b=c', 1],
    ['unknown=%zz', 0], ['unknown=%', 0], ['unknown=%4', 0],
    ['unknown=%ff', 0], ['unknown=%C0%AE', 0], ["unknown=\xff", 0],
    ['unknown=%01', 0], ['unknown=%0d%0aX:y', 0], ['unknown=%7f', 0],
    ['%ff=1', 0], ['x%00y=1', 0], ['unknown=caf%C3%A9', 1],
    ['_method=DELETE', 0], ['a=1&_method=PUT', 0], ['%5fmethod=DELETE', 0],
) {
    my ($query, $fine, $field) = @$case;
    my $r = get("$base/?$query");
    (my $name = $query) =~ s/([^\x21-\x7e])/sprintf '\\x%02x', ord $1/ge;

    if (!defined $fine) {
        ok $r->{status} == 400 || scalar(my @got = $t->upstream($r)) == 1,
            "?$name: a verdict";
    }
    elsif ($fine) {
        $t->passes($r, "?$name passes");
        my ($got) = $t->upstream($r);
        is $got->{target}, "$base/?$query", '... as it was sent';
    }
    else {
        $t->refuses($r, 400, "?$name: 400", $field ? (fields => [$field]) : ());
    }
}

# flags, datetimes, and what one operation declares alone
for my $case (
    ['logs/list/?detail=1', 1], ['logs/list/?detail=true', 1],
    ['logs/list/?detail=True', 1], ['logs/list/?detail=0', 1],
    ['logs/list/?detail=false', 1], ['logs/list/?export=False', 1],
    ['logs/list/?detail=yes', 0], ['logs/list/?detail=TRUE', 0],
    ['logs/list/?detail=2', 0], ['logs/list/?export=', 0],
    ['logs/list/?start_time=2024-01-01T00%3A00%3A00Z', 1],
    ['logs/list/?start_time=2024-01-01T00:00:00%2B02:00', 1],
    ['logs/list/?start_time=2024-01-01', 1],
    ['logs/list/?start_time=2024-01-01T00:00:00', 1],
    ['logs/list/?start_time=2024-13-01', 0],
    ['logs/list/?start_time=2024-02-30', 0],
    ['logs/list/?start_time=yesterday', 0],
    ['logs/list/?end_time=1700000000', 0],
    ['logs/list/?sort_by=-created_at', 1],
    ['histogram/?evaluator_id=e', 1],
    ['histogram/?evaluator_id=eval_123%3Agrader_name', 1],
    ['histogram/?evaluator_id=e&bins=50', 1],
    ['histogram/', 0], ['histogram/?bins=20', 0],
    ['histogram/?evaluator_id=e&bins=51', 0],
    ['histogram/?evaluator_id=e&bins=0', 0],
    ['histogram/?evaluator_id=e&evaluator_id=f', 0],
) {
    my ($rest, $fine) = @$case;
    my $r = get("$base/x/$rest");
    $fine ? $t->passes($r, "$rest passes")
          : $t->refuses($r, 400, "$rest: 400");
}

$t->refuses($t->request(POST => "$base/x/histogram/", key => 'admin',
    json => {}), 400, 'evaluator_id is required of a POST too',
    fields => ['evaluator_id']);


# Prefactor's shapes
my $spans = '/api/v1/agent_spans';
my %details = (agent_instance_id => 'i', schema_name => 's',
    status => 'pending', payload => {});

$t->passes(post($spans, json => { details => {%details} }), 'a span is created');
$t->passes(post("$spans/x/finish", json => $_), 'a span is finished')
    for {}, { status => 'complete' }, { status => 'failed' },
        { status => 'cancelled' }, { idempotency_key => 'x' x 64 },
        { timestamp => '2024-01-01T00:00:00Z', result_payload => { a => 1 } };

for my $case (
    ['status done', { status => 'done' }, qr/invalid_value/],
    ['a long idempotency key', { idempotency_key => 'x' x 65 },
        qr/invalid_value/],
    ['a payload that is a list', { result_payload => [] }, qr/invalid_value/],
    ['two faults', { status => 'done', result_payload => [] },
        qr/validation_errors/],
) {
    my ($name, $body, $code) = @$case;
    my $r = post("$spans/x/finish", json => $body);
    $t->refuses($r, 400, "finish: $name: 400");
    like $r->{json}{code}, $code, '... with its code';
}

{
    my $r = post("$spans/x/finish", json => { status => 'done' });
    like $r->{json}{message}, qr/status/, 'the message names the field';
    like $r->{json}{message}, qr/complete.*failed.*cancelled/,
        '... and what there is';

    delete $details{schema_name};
    $r = post($spans, json => { details => {%details} });
    $t->refuses($r, 400, 'a span without a schema: 400',
        code => 'required_value', says => qr/schema_name/);

    $r = post($spans, json => { details => {} });
    $t->refuses($r, 400, 'an empty span: 400', code => 'validation_errors');
    ok exists $r->{json}{errors}{'details.payload'}, '... names each field'
        or diag $r->{body};
}

$t->done;
