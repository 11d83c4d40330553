package Proctor::Sandbox::Respan::Experiment;

# One experiment and its traces, and how both are shown.
#
# An experiment runs by itself.  Its stage is worked out from the clock whenever
# somebody looks: pending for one step, running for the next, then completed, or
# failed when its name says "fail".  One whose workflow has a task of type `wait`
# waits for annotations until each of its traces was resumed.

use strict;
use warnings;
use feature 'signatures';
no warnings 'experimental::signatures';

use List::Util qw(any max);
use Mojo::JSON qw(true);
use Proctor::Sandbox::Answer qw(datetime);

use constant TRACES => 3;

# What a body may set, and what it is when it does not.
my %FIELDS = (
    name                   => undef,
    description            => undef,
    dataset_id             => undef,
    workflow               => undef,
    evaluator_ids          => undef,
    evaluator_slugs        => undef,
    evaluator_workflow_ids => undef,
    span_workflow_name     => 'workflow',
    enable_tracing         => true,
    batch_size             => 100,
    concurrency            => 15,
    generation_method      => undef,
);

# id, created (epoch), step (seconds), fields: a body that creates one.
sub new ($class, %args) {
    my $self = bless { %args, fields => {%FIELDS} }, $class;
    $self->update($args{fields});
    $self->{traces} = [ map { $self->_trace($_) } 1 .. TRACES ];
    return $self;
}

sub update ($self, $body) {
    exists $body->{$_} and $self->{fields}{$_} = $body->{$_} for keys %FIELDS;
    return;
}

sub stage ($self, $now) {
    my $age = $now - $self->{created};
    return 'pending' if $age < $self->{step};
    return 'running' if $age < 2 * $self->{step};
    return 'waiting_for_annotations' if any { $self->waiting($_) } @{ $self->{traces} };
    return ($self->{fields}{name} // '') =~ /fail/i ? 'failed' : 'completed';
}

sub trace ($self, $id) {
    return (grep { $_->{id} eq $id } @{ $self->{traces} })[0];
}

sub waiting ($self, $trace) {
    return 0 if $trace->{resumed};
    return any { ref eq 'HASH' && ($_->{type} // '') eq 'wait' }
        @{ _list($self->{fields}{workflow}) };
}

sub resume ($self, $trace, $body, $now) {
    $trace->{resumed} = $now;
    $trace->{$_} = $body->{$_} for qw(input output metrics metadata);
    return;
}

# As lists show it.  $stage: what it is shown as, when not what it is.
sub item ($self, $now, $stage = $self->stage($now)) {
    my $fields = $self->{fields};
    my $dataset = $fields->{dataset_id};
    my $over = $stage =~ /^(?:completed|failed)$/;
    return {
        id             => $self->{id},
        name           => $fields->{name} // "experiment $self->{id}",
        status         => $stage,
        created_at     => datetime($self->{created}),
        description    => $fields->{description},
        dataset        => $dataset,
        dataset_id     => $dataset,
        dataset_name   => defined $dataset ? "Dataset $dataset" : undef,
        workflow_count => scalar @{ _list($fields->{workflow}) },
        progress       => $self->_progress($now, $stage),
        started_at     => $stage eq 'pending'
            ? undef : datetime($self->{created} + $self->{step}),
        completed_at   => $over ? datetime($self->_end) : undef,
        tags           => [],
    };
}

sub detail ($self, $now, $stage = $self->stage($now)) {
    my $fields = $self->{fields};
    my $ids = $fields->{evaluator_ids};
    my $slugs = $fields->{evaluator_slugs};
    return {
        %{ $self->item($now, $stage) },
        workflow               => $fields->{workflow}               // [],
        evaluator_ids          => $ids // $slugs                    // [],
        evaluator_slugs        => $slugs // $ids                    // [],
        evaluator_workflow_ids => $fields->{evaluator_workflow_ids} // [],
        batch_size             => $fields->{batch_size},
        concurrency            => $fields->{concurrency},
        enable_tracing         => $fields->{enable_tracing},
        error_message          => $stage eq 'failed' ? 'The workflow failed.' : undef,
    };
}

sub trace_item ($self, $trace, $now) {
    my $status = $self->_trace_status($trace, $now);
    my $done = $status =~ /^(?:success|error)$/;
    my $n = $trace->{number};
    return {
        id                      => $trace->{id},
        trace_unique_id         => $trace->{id},
        root_span_unique_id     => "span_$trace->{id}",
        environment             => 'production',
        customer_identifier     => "customer_$n",
        name                    => $self->{fields}{span_workflow_name},
        input                   => $trace->{input},
        output                  => $trace->{output} // ($done ? '{"answer": "Yes."}' : undef),
        expected_output         => '{"answer": "Yes."}',
        status                  => $status,
        comparison_key          => "row_$n",
        start_time              => datetime($trace->{start}),
        end_time                => $done ? datetime($trace->{start} + $n) : undef,
        duration                => $done ? $n + 0.5 : 0,
        span_count              => 1,
        llm_call_count          => 1,
        total_cost              => 0.0012 * $n,
        total_tokens            => 45 * $n,
        total_prompt_tokens     => 30 * $n,
        total_completion_tokens => 15 * $n,
        error_count             => $status eq 'error' ? 1 : 0,
        scores                  => $done ? $self->_scores($n) : {},
    };
}

sub trace_detail ($self, $trace, $now) {
    my $item = $self->trace_item($trace, $now);
    my $root = {
        %$item,
        span_name => $item->{name},
        log_type  => 'workflow',
        model     => undef,
        children  => [],
    };
    return { %$item, span_tree => [$root] };
}

# All that may score: the evaluators, or the workflows that evaluate.
sub evaluators ($self) {
    my $fields = $self->{fields};
    my ($chosen) = grep { @{ _list($_) } }
        @$fields{qw(evaluator_ids evaluator_slugs evaluator_workflow_ids)};
    return grep { defined && !ref } @{ _list($chosen) };
}

sub _trace ($self, $number) {
    my ($suffix) = $self->{id} =~ /([\w-]*)$/;
    return {
        id     => "trace_${suffix}_$number",
        number => $number,
        start  => $self->{created} + $number / 1000,
        input  => qq({"query": "Question $number?"}),
    };
}

sub _trace_status ($self, $trace, $now) {
    return 'pending' if $self->waiting($trace);
    return 'success' if $trace->{resumed};
    my $stage = $self->stage($now);
    return 'error'   if $stage eq 'failed' && $trace->{number} == 1;
    return 'success' if $stage =~ /^(?:completed|failed)$/;
    return 'processing';
}

sub _progress ($self, $now, $stage) {
    return 0   if $stage eq 'pending';
    return 100 if $stage eq 'completed';
    my $resumed = grep { $_->{resumed} } @{ $self->{traces} };
    return int 100 * $resumed / TRACES if $stage eq 'waiting_for_annotations';
    return int 100 * (TRACES - 1) / TRACES if $stage eq 'failed';
    return int 100 * ($now - $self->{created} - $self->{step}) / $self->{step};
}

sub _end ($self) {
    return max $self->{created} + 2 * $self->{step},
        map { $_->{resumed} // 0 } @{ $self->{traces} };
}

sub _scores ($self, $number) {
    return { map { $_ => _score($_, $number) } $self->evaluators };
}

sub _score ($evaluator, $number) {
    return {
        evaluator_id      => $evaluator,
        evaluator_slug    => $evaluator,
        evaluator_name    => "Evaluator $evaluator",
        score_value_type  => 'numerical',
        numerical_value   => 0.5 + $number / 10,
        string_value      => undef,
        boolean_value     => undef,
        categorical_value => undef,
        json_value        => undef,
        avg_score         => 0.5 + $number / 10,
        true_count        => 0,
        false_count       => 0,
    };
}

sub _list ($value) {
    return ref $value eq 'ARRAY' ? $value : [];
}

1;
