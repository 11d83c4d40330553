#!/usr/bin/perl

# The sandbox's two APIs: what they answer, and what they keep.

use strict;
use warnings;
use feature 'signatures';
no warnings 'experimental::signatures';

use FindBin;
use lib "$FindBin::Bin/lib";

use Proctor::Test::SandboxClient;
use Proctor::Test::Wait qw(slurp);
use Test::More;

use constant STEP => 10;
use constant ROOT => '/api/v2/experiments';
use constant SPAN => '013xrzp12g3nqk8ndr93q068mw7y0nv0';

my @ITEM_FIELDS = qw(
    completed_at created_at dataset dataset_id dataset_name description id name
    progress started_at status tags workflow_count
);
my @DETAIL_FIELDS = sort @ITEM_FIELDS, qw(
    batch_size concurrency enable_tracing error_message evaluator_ids
    evaluator_slugs evaluator_workflow_ids workflow
);
my @TRACE_FIELDS = qw(
    comparison_key customer_identifier duration end_time environment error_count
    expected_output id input llm_call_count name output root_span_unique_id scores
    span_count start_time status total_completion_tokens total_cost
    total_prompt_tokens total_tokens trace_unique_id
);
my @SPAN_FIELDS = qw(
    account_id agent_id agent_instance_id finished_at id parent_span_id payload
    result_payload schema_name schema_title started_at status summary type
);


my $c = Proctor::Test::SandboxClient->new('--step', STEP);

sub create (%fields) {
    my ($status, $value) = $c->call(POST => ROOT . '/', json => {
        name          => 'a run',
        dataset_id    => 'ds',
        workflow      => [ { type => 'completion', config => { model => 'm' } } ],
        evaluator_ids => ['quality'],
        %fields,
    });
    is $status, 201, 'created';
    return $value;
}

subtest 'keys' => sub {
    my $path = ROOT . '/';
    is_deeply [ ($c->call(GET => $path, key => ''))[0] ], [401], 'respan: none';
    my ($status, $value) = $c->call(GET => $path, key => '',
        headers => [ Authorization => 'Bearer x' ]);
    is $status, 401, 'respan: wrong';
    like $value->{detail}, qr/invalid or expired/, 'in its own shape';
    is +($c->call(GET => $path, key => 'prefactor'))[0], 401, 'respan: the other API\'s key';
    is +($c->call(GET => $path, key => 'second'))[0], 200, 'respan: a second key';

    ($status, $value) = $c->call(GET => '/api/v1/ping', key => '');
    is_deeply [ $status, @$value{qw(status code)} ], [ 401, 'error', 'not_authenticated' ],
        'prefactor: none';
    ($status, $value) = $c->call(GET => '/api/v1/ping', key => 'respan');
    is_deeply [ $status, @$value{qw(status code)} ], [ 401, 'error', 'bad_authtoken' ],
        'prefactor: wrong';
    is +($c->call(GET => '/api/v1/ping'))[0], 200, 'prefactor: right';
    my $two = $c->authorization x 2;
    like $c->raw("GET $path HTTP/1.0\r\n$two\r\n"), qr/^HTTP\/1.1 401 /, 'two credentials';
};

subtest 'the documentation\'s own calls' => sub {
    $c->sandbox->control(POST => 'reset');
    my ($status, $value) = $c->call(GET => ROOT . '/experiment_id/');
    is_deeply [ $status, [ sort keys %$value ] ], [ 200, \@DETAIL_FIELDS ], 'retrieve';
    ($status, $value) = $c->call(
        POST => ROOT . '/experiment_id/logs/list/?sort_by=-start_time', content => '{}');
    is $status, 200, 'filter traces';
    is_deeply [ sort keys %$value ],
        [qw(count current_filters next previous results)], 'a page';
    is_deeply [ sort keys %{ $value->{results}[0] } ], \@TRACE_FIELDS, 'a trace';
    ($status, $value) = $c->call(PATCH => ROOT . '/experiment_id/logs/log_id/',
        json => { input => undef, output => undef, metadata => { source => 'x' } });
    is_deeply [ $status, $value ],
        [ 200, { id => 'log_id', trace_unique_id => 'log_id', status => 'success' } ],
        'resume';
    ($status, $value) = $c->call(POST => "/api/v1/agent_spans/@{[SPAN]}/finish", json => {});
    is_deeply [ $status, $value->{status}, $value->{details}{status} ],
        [ 200, 'success', 'complete' ], 'finish a span';
    is_deeply [ sort keys %{ $value->{details} } ], \@SPAN_FIELDS, 'a span';
};

subtest 'an experiment moves by itself' => sub {
    my $made = create();
    is_deeply [ sort keys %$made ], \@DETAIL_FIELDS, 'all fields';
    is_deeply [ @$made{qw(status progress started_at batch_size concurrency)} ],
        [ 'pending', 0, undef, 100, 15 ], 'pending, with defaults';
    my $failing = create(name => 'must fail', experiment_id => 'mine');
    is $failing->{id}, 'mine', 'a client\'s own id';

    my $look = sub ($id) { ($c->call(GET => ROOT . "/$id/"))[1] };
    $c->sandbox->control(POST => 'advance', { seconds => STEP + 5 });
    my $seen = $look->($made->{id});
    is $seen->{status}, 'running', 'running';
    cmp_ok $seen->{progress}, '>=', 50, 'progress grows';
    ok defined $seen->{started_at}, 'started';
    $c->sandbox->control(POST => 'advance', { seconds => STEP });
    $seen = $look->($made->{id});
    is_deeply [ @$seen{qw(status progress error_message)} ], [ 'completed', 100, undef ],
        'completed';
    ok defined $seen->{completed_at}, 'and when';
    $seen = $look->('mine');
    is $seen->{status}, 'failed', 'failed';
    ok length $seen->{error_message}, 'and why';
    is +($c->call(POST => ROOT . '/', json => { experiment_id => 'mine' }))[0], 400,
        'an id is taken once';
};

subtest 'a wait task' => sub {
    my $id = create(workflow => [ { type => 'wait', config => {} } ])->{id};
    $c->sandbox->control(POST => 'advance', { seconds => 3 * STEP });
    is +($c->call(GET => ROOT . "/$id/"))[1]{status}, 'waiting_for_annotations', 'waits';
    my @traces = @{ ($c->call(GET => ROOT . "/$id/logs/list/"))[1]{results} };
    is_deeply [ map { $_->{status} } @traces ], [ ('pending') x 3 ], 'three traces pending';
    for my $trace (@traces) {
        my $path = ROOT . "/$id/logs/$trace->{id}/";
        is +($c->call(PATCH => $path, json => { input => 1, output => { a => 2 } }))[0], 200,
            'resumed';
        is +($c->call(PATCH => $path, json => { input => 1, output => 2 }))[0], 400, 'but once';
        my $seen = ($c->call(GET => $path))[1];
        is_deeply [ @$seen{qw(status input output)} ], [ 'success', 1, { a => 2 } ], 'kept';
        is $seen->{span_tree}[0]{span_name}, 'workflow', 'with its tree';
    }
    is +($c->call(GET => ROOT . "/$id/"))[1]{status}, 'completed', 'then completes';
};

subtest 'lists' => sub {
    $c->sandbox->control(POST => 'reset', { empty => 1 });
    create(experiment_id => "e$_", name => "run $_") for 1 .. 5;
    my $ids = sub ($value) { [ map { $_->{id} } @{ $value->{results} } ] };

    my ($status, $value) = $c->call(GET => ROOT . '/list/?page_size=2&page=2&x=y');
    is_deeply [ $value->{count}, $ids->($value) ], [ 5, [qw(e3 e2)] ], 'newest first';
    is $value->{next}, $c->url . "${\ROOT}/list/?page_size=2&x=y&page=3", 'next';
    is $value->{previous}, $c->url . "${\ROOT}/list/?page_size=2&x=y&page=1", 'previous';
    is_deeply [ sort keys %{ $value->{results}[0] } ], \@ITEM_FIELDS, 'an item\'s fields';
    $value = ($c->call(GET => $value->{next} =~ s{^http://[^/]+}{}r))[1];
    is_deeply [ $ids->($value), $value->{next} ], [ ['e1'], undef ], 'followed to the end';
    ($status, $value) = $c->call(GET => ROOT . '/list/?page=9');
    is_deeply [ $status, $value->{results} ], [ 200, [] ], 'past the end: empty';

    is ref +($c->call(GET => ROOT . '/?page_size=3'))[1], 'ARRAY', 'a bare array';
    is scalar @{ ($c->call(GET => ROOT . '/?page_size=3'))[1] }, 3, 'in pages too';
    $value = ($c->call(GET => ROOT . '/list/?sort_by=name'))[1];
    is_deeply $ids->($value), [qw(e1 e2 e3 e4 e5)], 'sorted as asked';

    my $filters = { name => { operator => 'in', value => [ 'run 2', 'run 4' ] } };
    $value = ($c->call(POST => ROOT . '/list/', json => { filters => $filters }))[1];
    is_deeply [ $ids->($value), $value->{current_filters} ], [ [qw(e4 e2)], $filters ],
        'filtered';
    is +($c->call(POST => ROOT . '/summary/', json => { filters => $filters }))[1]{total_count},
        2, 'counted with filters';
    is +($c->call(GET => ROOT . '/summary/'))[1]{total_count}, 5, 'counted';
};

subtest 'traces, scores' => sub {
    my $path = ROOT . '/e1';
    $c->sandbox->control(POST => 'advance', { seconds => 2 * STEP });
    my ($status, $value) = $c->call(POST => "$path/logs/list/?sort_by=-total_cost&detail=1",
        json => { filters => { scores__quality => { operator => 'gt', value => [0.65] } } });
    is_deeply [ map { $_->{comparison_key} } @{ $value->{results} } ], [qw(row_3 row_2)],
        'filtered by score, sorted by cost';
    is ref $value->{results}[0]{span_tree}, 'ARRAY', 'detail';
    is +($c->call(GET => "$path/logs/list/?start_time=2099-01-01T00%3A00%3A00Z"))[1]{count}, 0,
        'start_time';
    is +($c->call(GET => "$path/logs/list/?end_time=2099-01-01"))[1]{count}, 3, 'end_time';
    is +($c->call(GET => "$path/logs/list/?end_time=2001-01-01"))[1]{count}, 0, 'long ago';
    like +($c->call(GET => "$path/logs/list/?export=1"))[1]{message}, qr/^Exporting/, 'export';

    ($status, $value) = $c->call(GET => "$path/logs/summary/");
    is_deeply [ @$value{qw(number_of_requests total_tokens)} ], [ 3, 270 ], 'summary';
    is sprintf('%.2f', $value->{scores}{quality}{avg_score}), '0.70', 'mean score';
    for my $method (qw(GET POST)) {
        my $query = 'evaluator_id=quality%3Ag&bins=2';
        ($status, $value) = $c->call($method => "$path/histogram/?$query");
        is_deeply [ map { $_->{count} } @{ $value->{bins} } ], [ 0, 3 ], "$method histogram";
        is $value->{stats}{total}, 3, 'its stats';
    }
};

subtest 'change and delete' => sub {
    my $path = ROOT . '/e2/';
    is +($c->call(PATCH => $path, json => { name => 'new' }))[1]{name}, 'new', 'update';
    is +($c->call(PUT => $path, json => { concurrency => 3 }))[1]{concurrency}, 3, 'replace';
    my ($status, $value, $answer) = $c->call(DELETE => $path);
    is_deeply [ $status, $answer->{body} ], [ 204, '' ], 'delete';
    ok !exists $answer->{headers}{'content-length'}, 'without a body';
    for my $method (qw(GET DELETE PATCH)) {
        ($status, $value) = $c->call($method => $path, json => {});
        is_deeply [ $status, $value ], [ 404, { detail => 'Not found.' } ], "$method: gone";
    }
    ($status, $value, $answer) = $c->call(DELETE => ROOT . '/list/');
    is_deeply [ $status, $answer->{headers}{allow} ], [ 405, 'GET, HEAD, POST' ],
        'a method it has not';
    ($status, $value, $answer) = $c->call(GET => ROOT . '?a=b', key => '');
    is_deeply [ $status, $answer->{headers}{location} ], [ 301, ROOT . '/?a=b' ],
        'no slash: a redirect';
    is +($c->call(GET => '/api/v2/other/'))[0], 404, 'no such path';
};

subtest 'nothing is validated' => sub {
    my %both = (evaluator_ids => ['a'], evaluator_workflow_ids => ['b']);
    is +($c->call(POST => ROOT . '/', json => \%both))[0], 201, 'both scoring paths, no dataset';
    is +($c->call(POST => ROOT . '/', content => '[[['))[0], 201, 'no JSON';
    is +($c->call(POST => ROOT . '/', content => '[' x 3_000_000))[0], 201, 'too deep';
    is +($c->call(GET => ROOT . "/list/?$_"))[0], 200, $_
        for qw(page_size=0 page_size=101 page=x page=1&page=2 sort_by=);
    is +($c->call(GET => ROOT . '/e1/histogram/?bins=-1'))[0], 200, 'a histogram of nothing';
    is +($c->call(POST => '/api/v1/agent_spans', json => {}))[0], 200, 'an empty span';

    my $id = create(workflow => [ { type => 'wait' } ])->{id};
    my $path = ROOT . "/$id/logs";
    is +($c->call(PATCH => "$path/trace_${id}_1/", json => { metadata => 'text' }))[0], 200,
        'a resume without input and output';
    my $odd = { metadata__a => { operator => 'gt', value => {} }, name => 1, x => [ [] ] };
    is +($c->call(POST => "$path/list/?sort_by=scores__nobody", json => { filters => $odd }))[0],
        200, 'odd filters';
    is +($c->call(POST => ROOT . '/', json => { name => [], workflow => 'x', dataset_id => {},
        evaluator_ids => [ {} ], experiment_id => [] }))[0], 201, 'wrong types';
};

subtest 'spans and instances' => sub {
    $c->sandbox->control(POST => 'reset');
    my $post = sub ($path, $json) {
        return ($c->call(POST => "/api/v1/$path", json => $json))[ 0, 1 ];
    };
    my ($status, $value) = $post->('agent_instance/register', { purpose => 'eval' });
    my $instance = $value->{details};
    like $instance->{id}, qr/^[0-7][0-9a-hjkmnp-tv-z]{31}$/, 'a PFID';
    is $instance->{status}, 'pending', 'registered';
    is +($post->("agent_instance/$instance->{id}/start", {}))[1]{details}{status}, 'active',
        'started';

    my $make = sub ($given) {
        my $details = { agent_instance_id => $instance->{id}, schema_name => 'llm',
            payload => {}, status => $given };
        ($status, $value) = $post->('agent_spans', { details => $details });
        is_deeply [ $status, $value->{details}{status} ], [ 200, $given ], "a span, $given";
        return $value->{details};
    };
    my $finish = sub ($span, $json) {
        ($status, $value) = $post->("agent_spans/$span->{id}/finish", $json);
        return [ $status, $value->{code} // $value->{details}{status} ];
    };

    my $active = $make->('active');
    is_deeply $finish->($active, { status => 'cancelled' }), [ 409, 'invalid_action' ],
        'what is active cannot be cancelled';
    is_deeply $finish->($active, { status => 'failed', result_payload => { a => 1 } }),
        [ 200, 'failed' ], 'but can fail';
    is_deeply $value->{details}{result_payload}, { a => 1 }, 'with its result';
    is_deeply $finish->($active, {}), [ 409, 'invalid_action' ], 'finished once';
    is $value->{status}, 'error', 'in the error\'s shape';

    my $pending = $make->('pending');
    is $pending->{started_at}, undef, 'not started';
    my $time = '2024-01-01T00:00:00Z';
    is_deeply $finish->($pending, { status => 'cancelled', timestamp => $time }),
        [ 200, 'cancelled' ], 'what is pending can be cancelled';
    is_deeply [ @{ $value->{details} }{qw(started_at finished_at)} ], [ $time, $time ],
        'both timestamps';
    is_deeply $finish->({ id => 'x' }, {}), [ 404, 'not_found' ], 'unknown';

    my $query = "agent_instance_id=$instance->{id}&start_time=2020-01-01&end_time=2099-01-01";
    $value = ($c->call(GET => "/api/v1/agent_spans?$query&include_summaries=true"))[1];
    is_deeply [ map { $_->{id} } @{ $value->{summaries} } ],
        [ $active->{id}, $pending->{id} ], 'listed';
    ok defined $value->{summaries}[0]{summary}, 'with summaries';

    my $keyed = { details => { schema_name => 'a' }, idempotency_key => 'key-1' };
    my $first = ($post->('agent_spans', $keyed))[1]{details}{id};
    is +($post->('agent_spans', $keyed))[1]{details}{id}, $first, 'replayed';
    $keyed->{details}{schema_name} = 'b';
    is_deeply [ map { ref ? $_->{code} : $_ } $post->('agent_spans', $keyed) ],
        [ 409, 'idempotency_key_already_used' ], 'but not for another call';

    ($status, $value) = $post->('bulk', { items => [
        { _type => 'agent_spans/create', idempotency_key => 'key-0002', details => {} } ] });
    is $value->{outputs}{'key-0002'}{status}, 'success', 'bulk';
    ($status, $value) = $post->('agent_spans/create_test_spans', { count => 2 });
    is scalar @{ $value->{summaries} }, 2, 'test spans';

    my $path = "agent_instance/$instance->{id}";
    is +($post->("$path/record_quality", { name => 'q', payload => 1 }))[0], 200, 'quality';
    is +($c->call(GET => "/api/v1/$path/agent_context"))[1]{details}{quality}{q}, 1, 'context';
    is +($post->("$path/finish", {}))[1]{details}{status}, 'complete', 'instance finished';
    is +($post->("$path/finish", {}))[1]{code}, 'invalid_action', 'once';
    is +($post->("$path/start", {}))[0], 409, 'and not started again';
    is +($c->call(GET => "/api/v1/$path"))[1]{details}{status}, 'complete', 'retrieved';
    is scalar @{ ($c->call(GET => '/api/v1/agent_instance'))[1]{summaries} }, 2, 'instances';
};

subtest 'the limit' => sub {
    $c->sandbox->control(POST => 'behave', { limit => 3 });
    my $get = sub (%given) { ($c->call(GET => ROOT . '/', %given))[ 0, 1 ] };
    is_deeply [ map { ($get->())[0] } 1 .. 4 ], [ 200, 200, 200, 429 ], 'three calls';
    my ($status, $value) = $get->();
    is $value->{detail}, 'Rate limit exceeded', 'in the API\'s words';
    cmp_ok $value->{retry_after}, '>', 50, 'when to come back';
    cmp_ok $value->{retry_after}, '<=', 60, 'at the latest';
    is +($get->(key => 'second'))[0], 200, 'another key has its own';
    is +($c->call(GET => '/api/v1/ping'))[0], 200, 'so has the other API';
    $c->sandbox->control(POST => 'advance', { seconds => $value->{retry_after} });
    is +($get->())[0], 200, 'and then it goes on';
    $c->sandbox->control(POST => 'behave', { limit => 0 });
    is_deeply [ map { ($get->())[0] } 1 .. 4 ], [ (200) x 4 ], 'off';
};

my $operations = $c->sandbox->stats->{operations};
is $operations->{$_}, 1, "counted: $_" for qw(span.create_test instance.retrieve bulk);
is $c->sandbox->stop, 0, 'the sandbox exits 0';
is slurp($c->sandbox->{output}), '', 'and had nothing to complain about';

done_testing;
