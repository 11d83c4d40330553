package Proctor::Sandbox::Respan;

# Respan's experiments v2: its 18 operations over experiments in memory.
# What an experiment is and how it moves: Respan/Experiment.pm.

use strict;
use warnings;
use feature 'signatures';
no warnings 'experimental::signatures';

use List::Util qw(max min sum0);
use Proctor::Sandbox::Answer qw(json_answer ordered_answer);
use Proctor::Sandbox::Filter qw(between links matches page sorted);
use Proctor::Sandbox::Respan::Experiment;
use Scalar::Util qw(weaken);

use constant ROOT         => '/api/v2/experiments';
use constant DEFAULT_BINS => 20;
use constant BINS_LIMIT   => 1000;
use constant BAD_KEY      => 'Your API key is invalid or expired, please check your API key'
    . ' at https://platform.respan.ai/platform/api/api-keys';
use constant EXPORTING =>
    'Exporting experiment logs. Check your email for the download link.';

my ($ROOT, $EXPERIMENT, $TRACE) = (ROOT, '(?<experiment>[^/]+)', '(?<trace>[^/]+)');

# Literal segments come before parameters.  A handler gets the request and, as
# its path names them, the experiment and the trace.
my @ROUTES = (
    [ "$ROOT/", GET => 'experiment.list', POST => 'experiment.create' ],
    [ "$ROOT/list/", GET => 'experiment.list_with_filters', POST => 'experiment.filter' ],
    [ "$ROOT/summary/", GET => 'experiment.summary', POST => 'experiment.filter_summary' ],
    [
        "$ROOT/$EXPERIMENT/",
        GET    => 'experiment.retrieve',
        DELETE => 'experiment.delete',
        PUT    => 'experiment.replace',
        PATCH  => 'experiment.update',
    ],
    [ "$ROOT/$EXPERIMENT/logs/list/", GET => 'trace.list', POST => 'trace.filter' ],
    [
        "$ROOT/$EXPERIMENT/logs/summary/",
        GET  => 'trace.summary',
        POST => 'trace.filter_summary',
    ],
    [ "$ROOT/$EXPERIMENT/logs/$TRACE/", GET => 'trace.retrieve', PATCH => 'trace.resume' ],
    [
        "$ROOT/$EXPERIMENT/histogram/",
        GET  => 'experiment.histogram',
        POST => 'experiment.filter_histogram',
    ],
);

my %HANDLERS = (
    'experiment.list'              => \&_list_array,
    'experiment.create'            => \&_create,
    'experiment.list_with_filters' => \&_list,
    'experiment.filter'            => \&_list,
    'experiment.summary'           => \&_summary,
    'experiment.filter_summary'    => \&_summary,
    'experiment.retrieve'          => \&_retrieve,
    'experiment.delete'            => \&_delete,
    'experiment.replace'           => \&_update,
    'experiment.update'            => \&_update,
    'trace.list'                   => \&_list_traces,
    'trace.filter'                 => \&_list_traces,
    'trace.summary'                => \&_trace_summary,
    'trace.filter_summary'         => \&_trace_summary,
    'trace.retrieve'               => \&_retrieve_trace,
    'trace.resume'                 => \&_resume,
    'experiment.histogram'         => \&_histogram,
    'experiment.filter_histogram'  => \&_histogram,
);

sub new ($class, $sandbox, $empty) {
    my $self = bless { sandbox => $sandbox, experiments => {}, serial => 0 }, $class;
    weaken $self->{sandbox};
    $self->_add_example unless $empty;
    return $self;
}

sub counts ($self) {
    my @experiments = values %{ $self->{experiments} };
    return {
        experiments => scalar @experiments,
        traces      => sum0(map { scalar @{ $_->{traces} } } @experiments),
    };
}

# Django's APPEND_SLASH: looked at before the key is.
sub redirect ($self, $request, $path) {
    my ($slashed) = _route("$path/");
    return undef unless $slashed;
    my $query = length $request->query ? '?' . $request->query : '';
    return {
        status  => 301,
        headers => [
            [ 'Content-Type' => 'text/html; charset=utf-8' ],
            [ Location       => $request->path . "/$query" ],
        ],
        body => '',
    };
}

sub refuse_key ($self, $request) {
    return json_answer(401, { detail => BAD_KEY }, [ 'WWW-Authenticate' => 'Bearer' ]);
}

sub refuse_limit ($self, $wait) {
    return json_answer(429, { detail => 'Rate limit exceeded', retry_after => $wait });
}

sub answer ($self, $request, $path) {
    my ($methods, %id) = _route($path) or return _not_found();
    my $method = $request->{method} eq 'HEAD' ? 'GET' : $request->{method};
    my $name = $methods->{$method} or return _not_allowed($method, $methods);
    $self->{sandbox}{count}{operations}{$name}++;

    my $handler = $HANDLERS{$name};
    return $self->$handler($request) unless defined $id{experiment};
    my $experiment = $self->{experiments}{ $id{experiment} } or return _not_found();
    return $self->$handler($request, $experiment) unless defined $id{trace};
    my $trace = $experiment->trace($id{trace}) or return _not_found();
    return $self->$handler($request, $experiment, $trace);
}

sub _route ($path) {
    for my $route (@ROUTES) {
        my ($pattern, %methods) = @$route;
        return (\%methods, %+) if $path =~ /\A$pattern\z/;
    }
    return ();
}

# The ids of the documentation's examples, so that its calls work as they stand;
# and one that will never change again.
sub _add_example ($self) {
    my $experiment = $self->_add('experiment_id', {
        name          => 'gpt-4o-mini quality run',
        description   => 'Evaluation run that waits for results from outside.',
        dataset_id    => 'ds_support_qa_2024',
        evaluator_ids => ['eval_quality'],
        workflow      => [
            { type => 'completion', config => { model => 'gpt-4o-mini' } },
            { type => 'wait',       config => {} },
        ],
    });
    $experiment->{traces}[0]{id} = 'log_id';

    my $over = $self->_add('exp_completed', {
        name          => 'yesterday\'s quality run',
        description   => 'Evaluation run that is over.',
        dataset_id    => 'ds_support_qa_2024',
        evaluator_ids => ['eval_quality'],
        workflow      => [{ type => 'completion', config => { model => 'gpt-4o-mini' } }],
    });
    $over->{created} -= 86_400;
    return;
}

sub _add ($self, $id, $fields) {
    return $self->{experiments}{$id} = Proctor::Sandbox::Respan::Experiment->new(
        id      => $id,
        created => $self->_now,
        step    => $self->{sandbox}{step},
        fields  => $fields,
    );
}

sub _create ($self, $request) {
    my $body = $request->json;
    my $id = $body->{experiment_id};
    $id = sprintf 'exp_%08x%04d', rand 2**32, ++$self->{serial}
        if !defined $id || ref $id || !length $id;
    return json_answer(400, { experiment_id => ['An experiment has this ID already.'] })
        if $self->{experiments}{$id};
    my $experiment = $self->_add($id, $body);
    return json_answer(201, $experiment->detail($self->_now, 'pending'));
}

sub _list_array ($self, $request) {
    my ($items) = page($request, $self->_items($request));
    return json_answer(200, $items);
}

sub _list ($self, $request) {
    return $self->_page($request, $self->_items($request));
}

sub _summary ($self, $request) {
    my @items = $self->_items($request);
    return json_answer(200, { total_count => scalar @items });
}

sub _retrieve ($self, $request, $experiment) {
    return json_answer(200, $experiment->detail($self->_now));
}

sub _update ($self, $request, $experiment) {
    $experiment->update($request->json);
    return json_answer(200, $experiment->detail($self->_now));
}

sub _delete ($self, $request, $experiment) {
    delete $self->{experiments}{ $experiment->{id} };
    return { status => 204, headers => [], body => '' };
}

sub _list_traces ($self, $request, $experiment) {
    return json_answer(200, { message => EXPORTING })
        if _set($request->param('export')) && $request->{method} ne 'POST';

    my @traces = sorted($request->param('sort_by'), \&_trace_value,
        $self->_traces($request, $experiment));
    return $self->_page($request, map { $_->{shown} } @traces);
}

sub _retrieve_trace ($self, $request, $experiment, $trace) {
    return json_answer(200, $experiment->trace_detail($trace, $self->_now));
}

sub _resume ($self, $request, $experiment, $trace) {
    return json_answer(400, { detail => 'This trace does not wait for a result.' })
        unless $experiment->waiting($trace);
    $experiment->resume($trace, $request->json, $self->_now);
    return json_answer(200,
        { id => $trace->{id}, trace_unique_id => $trace->{id}, status => 'success' });
}

sub _trace_summary ($self, $request, $experiment) {
    my @traces = map { $_->{shown} } $self->_traces($request, $experiment);
    my $sum = sub ($field) { 0 + sprintf '%.6f', sum0 map { $_->{$field} } @traces };
    my $duration = $sum->('duration');
    my $tokens = $sum->('total_completion_tokens');
    return json_answer(200, {
        number_of_requests      => scalar @traces,
        total_cost              => $sum->('total_cost'),
        total_tokens            => $sum->('total_tokens'),
        total_prompt_tokens     => $sum->('total_prompt_tokens'),
        total_completion_tokens => $tokens,
        avg_latency             => @traces ? $duration / @traces : 0,
        avg_tps                 => $duration ? $tokens / $duration : 0,
        avg_ttft                => @traces ? 0.25 : 0,
        scores => { map { $_ => _mean_score($_, @traces) } $experiment->evaluators },
    });
}

sub _histogram ($self, $request, $experiment) {
    my $id = $request->param('evaluator_id') // '';
    my ($evaluator) = split /:/, $id;
    my @values = map { _value($_->{shown}, $evaluator // '') }
        $self->_traces($request, $experiment);
    return json_answer(200, {
        evaluator_id   => $id,
        evaluator_slug => $evaluator,
        evaluator_name => 'Evaluator ' . ($evaluator // ''),
        bins           => _bins($request->param('bins'), @values),
        stats          => {
            min   => min(@values) // 0,
            max   => max(@values) // 0,
            mean  => @values ? sum0(@values) / @values : 0,
            total => scalar @values,
        },
    });
}

# Between 0 and 1, where every score is.
sub _bins ($wanted, @values) {
    my $count = ($wanted // '') =~ /^0*([1-9]\d{0,4})$/ ? $1 : DEFAULT_BINS;
    $count = min $count, BINS_LIMIT;
    my @bins = map { { lower => $_ / $count, upper => ($_ + 1) / $count, count => 0 } }
        0 .. $count - 1;
    $_->{label} = sprintf '%.2f-%.2f', $_->{lower}, $_->{upper} for @bins;
    $bins[ min $count - 1, int $_ * $count ]{count}++ for @values;
    return \@bins;
}

# The experiments that the request's filters leave, as lists show them.
sub _items ($self, $request) {
    my $now = $self->_now;
    my $filters = $request->json->{filters};
    my @items = grep { matches($filters, $_, \&_item_value) }
        map { $_->item($now) } values %{ $self->{experiments} };
    return sorted($request->param('sort_by') // '-created_at', \&_item_value, @items);
}

sub _item_value ($item, $field) {
    return $item->{$field};
}

# The traces that the request's filters leave, each with how it is shown.
sub _traces ($self, $request, $experiment) {
    my $now = $self->_now;
    my $show = _set($request->param('detail')) ? 'trace_detail' : 'trace_item';
    my @traces = map { { %$_, shown => $experiment->$show($_, $now) } }
        grep { between($request, $_->{start}) } @{ $experiment->{traces} };
    my $filters = $request->json->{filters};
    return grep { matches($filters, $_, \&_trace_value) } @traces;
}

sub _trace_value ($trace, $field) {
    my ($kind, $name) = $field =~ /^(metadata|scores)__(.+)/
        or return $trace->{shown}{$field};
    my $metadata = $trace->{metadata};
    return ref $metadata eq 'HASH' ? $metadata->{$name} : undef if $kind eq 'metadata';
    my ($value) = _value($trace->{shown}, $name);
    return $value;
}

sub _value ($shown, $evaluator) {
    my $score = $shown->{scores}{$evaluator} or return ();
    return $score->{numerical_value};
}

sub _mean_score ($evaluator, @traces) {
    my @scores = map { $_->{scores}{$evaluator} // () } @traces;
    my @values = map { $_->{numerical_value} } @scores;
    return { %{ $scores[0] // { evaluator_id => $evaluator } },
        avg_score => @values ? sum0(@values) / @values : undef };
}

sub _page ($self, $request, @items) {
    my ($page, $place) = page($request, @items);
    my $origin = $self->{sandbox}{public_url}
        // 'http://' . ($request->header('Host') // 'localhost');
    return ordered_answer(200,
        count           => scalar @items,
        results         => $page,
        links($request, $origin =~ s{/$}{}r, $place),
        current_filters => $request->json->{filters} // {},
    );
}

sub _set ($value) {
    return ($value // '') =~ /^(?:1|true)$/i;
}

sub _now ($self) {
    return $self->{sandbox}->now;
}

sub _not_found {
    return json_answer(404, { detail => 'Not found.' });
}

sub _not_allowed ($method, $methods) {
    my @allowed = sort keys %$methods, $methods->{GET} ? 'HEAD' : ();
    return json_answer(405, { detail => qq(Method "$method" not allowed.) },
        [ Allow => join ', ', @allowed ]);
}

1;
