package Proctor::Sandbox::Prefactor;

# Prefactor's agent API v1: instances and spans in memory.
#
# A span is pending, active, or over (complete, failed, cancelled).  What is
# over cannot be finished again, and only what is pending can be cancelled: 409
# `invalid_action`.  Instances follow the same rules.
#
# An idempotency key seen before with the same call and body gets the first
# answer again; with another, 409 `idempotency_key_already_used`.

use strict;
use warnings;
use feature 'signatures';
no warnings 'experimental::signatures';

use Digest::SHA qw(sha256_hex);
use List::Util qw(min);
use Mojo::JSON qw(encode_json);
use Mojo::Util qw(url_unescape);
use Proctor::Sandbox::Answer qw(datetime json_answer);
use Proctor::Sandbox::Filter qw(between);
use Scalar::Util qw(weaken);

use constant ACCOUNT          => '013xrzp12g3nqk8ngskn1wtxgka5b0nf';
use constant AGENT            => '013xrzp12g3nqk8nx0y2vfkg4s3jp2qr';
use constant EXAMPLE_INSTANCE => '013xrzp12g3nqk8n4evtrcj59k8dhn3t';
use constant EXAMPLE_SPAN     => '013xrzp12g3nqk8ndr93q068mw7y0nv0';
use constant TEST_SPANS_LIMIT => 1000;

my $ID = '(?<id>[^/]+)';

# Literal segments come before parameters.
my @ROUTES = (
    [ 'agent_spans',                       GET  => 'span.list', POST => 'span.create' ],
    [ 'agent_spans/create_test_spans',     POST => 'span.create_test' ],
    [ "agent_spans/$ID/finish",            POST => 'span.finish' ],
    [ 'agent_instance',                    GET  => 'instance.list' ],
    [ 'agent_instance/register',           POST => 'instance.register' ],
    [ "agent_instance/$ID",                GET  => 'instance.retrieve' ],
    [ "agent_instance/$ID/start",          POST => 'instance.start' ],
    [ "agent_instance/$ID/finish",         POST => 'instance.finish' ],
    [ "agent_instance/$ID/agent_context",  GET  => 'instance.context' ],
    [ "agent_instance/$ID/record_quality", POST => 'instance.record_quality' ],
    [ 'bulk',                              POST => 'bulk' ],
    [ 'ping',                              GET  => 'ping' ],
);

# Writes get the body and the id of the path; reads the request and that id.
my %WRITES = (
    'span.create'             => \&_create_span,
    'span.create_test'        => \&_create_test_spans,
    'span.finish'             => \&_finish_span,
    'instance.register'       => \&_register,
    'instance.start'          => \&_start_instance,
    'instance.finish'         => \&_finish_instance,
    'instance.record_quality' => \&_record_quality,
    'bulk'                    => \&_bulk,
);

my %READS = (
    'span.list'         => \&_list_spans,
    'instance.list'     => \&_list_instances,
    'instance.retrieve' => \&_retrieve_instance,
    'instance.context'  => \&_context,
    'ping'              => \&_ping,
);

# What an item of a bulk call may ask for, by its `_type`.
my %BULK = (
    'agent_spans/create'      => 'span.create',
    'agent_spans/finish'      => 'span.finish',
    'agent_instance/register' => 'instance.register',
    'agent_instance/start'    => 'instance.start',
    'agent_instance/finish'   => 'instance.finish',
);

my %OVER = map { $_ => 1 } qw(complete failed cancelled);

sub new ($class, $sandbox, $empty) {
    my $self = bless {
        sandbox => $sandbox, spans => {}, instances => {}, order => 0, replies => {}
    }, $class;
    weaken $self->{sandbox};
    $self->_add_example unless $empty;
    return $self;
}

sub counts ($self) {
    return {
        spans     => scalar keys %{ $self->{spans} },
        instances => scalar keys %{ $self->{instances} },
    };
}

sub redirect ($self, $request, $path) {
    return undef;
}

sub refuse_key ($self, $request) {
    return defined $request->header('Authorization')
        ? _error(401, 'bad_authtoken', 'The token is not valid')
        : _error(401, 'not_authenticated', 'No token was given');
}

sub refuse_limit ($self, $wait) {
    return _error(429, 'unexpected', 'Rate limit exceeded', retry_after => $wait);
}

# Segments are decoded after the path was cut at its slashes, as Plug does.
sub answer ($self, $request, $path) {
    my ($methods, $id) = _route($request->path =~ s{^/api/v1/}{}r)
        or return _error(404, 'not_found', 'No such path');
    my $method = $request->{method} eq 'HEAD' ? 'GET' : $request->{method};
    my $name = $methods->{$method}
        or return _error(404, 'not_found', "No such path for $method");
    $self->{sandbox}{count}{operations}{$name}++;

    my $read = $READS{$name};
    return $self->$read($request, $id) if $read;
    return $self->_once($name, $request->json, $id);
}

sub _route ($path) {
    for my $route (@ROUTES) {
        my ($pattern, %methods) = @$route;
        return (\%methods, url_unescape($+{id} // '')) if $path =~ /\A$pattern\z/;
    }
    return ();
}

# The ids of the documentation's examples, so that its calls work as they stand.
sub _add_example ($self) {
    my $instance = $self->_add_instance(EXAMPLE_INSTANCE, {});
    @$instance{qw(status started_at)} = ('active', $self->_time);
    $self->_add_span(EXAMPLE_SPAN, {
        agent_instance_id => EXAMPLE_INSTANCE,
        schema_name       => 'llm',
        status            => 'active',
        payload           => { key => 'value' },
    });
    return;
}

sub _once ($self, $name, $body, $id) {
    my $write = $WRITES{$name};
    my $key = $body->{idempotency_key};
    return $self->$write($body, $id) if !defined $key || ref $key;

    my $call = sha256_hex(encode_json([ $name, $id, $body ]));
    my $seen = $self->{replies}{$key};
    return $seen->{call} eq $call ? $seen->{answer}
        : _error(409, 'idempotency_key_already_used', 'The key was used for another call')
        if $seen;

    my $answer = $self->$write($body, $id);
    $self->{replies}{$key} = { call => $call, answer => $answer } if $answer->{status} < 300;
    return $answer;
}

sub _create_span ($self, $body, $) {
    my $details = _object($body->{details});
    my $id = _text($details->{id}) // $self->_new_id;
    return _error(409, 'invalid_action', 'A span with this id exists already')
        if $self->{spans}{$id};
    return _success(200, details => _span($self->_add_span($id, $details)));
}

sub _add_span ($self, $id, $given) {
    my $status = _text($given->{status}) // 'active';
    my $time = $self->_time;
    my $schema = _text($given->{schema_name});
    return $self->{spans}{$id} = {
        type              => 'agent_span',
        id                => $id,
        account_id        => ACCOUNT,
        agent_id          => AGENT,
        agent_instance_id => $given->{agent_instance_id},
        parent_span_id    => $given->{parent_span_id},
        schema_name       => $schema,
        schema_title      => $schema,
        status            => $status,
        payload           => $given->{payload} // {},
        result_payload    => $given->{result_payload},
        started_at        => $given->{started_at} // ($status eq 'pending' ? undef : $time),
        finished_at       => $given->{finished_at} // ($OVER{$status} ? $time : undef),
        summary           => undef,
        order             => ++$self->{order},
        created           => $self->{sandbox}->now,
    };
}

sub _create_test_spans ($self, $body, $) {
    my $count = (_text($body->{count}) // '') =~ /^(\d{1,6})$/ ? $1 : 1;
    my @spans = map {
        $self->_add_span($self->_new_id, { %$body, schema_name => 'test', status => 'active' })
    } 1 .. min $count, TEST_SPANS_LIMIT;
    return _success(200, summaries => [ map { _span($_) } @spans ], pagination => undef);
}

sub _finish_span ($self, $body, $id) {
    my $span = $self->{spans}{$id}
        or return _error(404, 'not_found', 'No agent span with this id');
    my $refused = $self->_finish($span, $body);
    return $refused if $refused;
    $span->{result_payload} = $body->{result_payload} if defined $body->{result_payload};
    return _success(200, details => _span($span));
}

# Ends a span or an instance; returns an error when its state forbids that.
sub _finish ($self, $thing, $body) {
    my $status = _text($body->{status}) // 'complete';
    return _error(409, 'invalid_action', "It is already $thing->{status}")
        if $OVER{ $thing->{status} };
    return _error(409, 'invalid_action', "Only what is pending can be cancelled")
        if $status eq 'cancelled' && $thing->{status} ne 'pending';

    my $time = _text($body->{timestamp}) // $self->_time;
    $thing->{status} = $status;
    $thing->{started_at} //= $time;
    $thing->{finished_at} = $time;
    return undef;
}

sub _list_spans ($self, $request, $) {
    my $instance = $request->param('agent_instance_id');
    my $with_summary = ($request->param('include_summaries') // '') =~ /^(?:1|true)$/i;
    my @spans = sort { $a->{order} <=> $b->{order} }
        grep { !defined $instance || ($_->{agent_instance_id} // '') eq $instance }
        grep { between($request, $_->{created}) } values %{ $self->{spans} };
    my @shown = map { _span($_, $with_summary) } @spans;
    return _success(200, summaries => \@shown, pagination => undef);
}

sub _register ($self, $body, $) {
    my $id = _text($body->{id}) // $self->_new_id;
    my $instance = $self->{instances}{$id} // $self->_add_instance($id, $body);
    return _success(200, details => _instance($instance));
}

sub _add_instance ($self, $id, $given) {
    my $version = _object($given->{agent_version});
    return $self->{instances}{$id} = {
        type             => 'agent_instance',
        id               => $id,
        account_id       => ACCOUNT,
        agent_id         => _text($given->{agent_id}) // AGENT,
        agent_version_id => $self->_new_id,
        agent_version    => $version,
        environment_id   => _text($given->{environment_id}),
        purpose          => _text($given->{purpose}) // 'live',
        status           => 'pending',
        inserted_at      => $self->_time,
        started_at       => undef,
        finished_at      => undef,
        order            => ++$self->{order},
        quality          => {},
    };
}

sub _start_instance ($self, $body, $id) {
    my $instance = $self->{instances}{$id} or return _no_instance();
    return _error(409, 'invalid_action', "It is already $instance->{status}")
        if $OVER{ $instance->{status} };
    $instance->{status} = 'active';
    $instance->{started_at} //= _text($body->{timestamp}) // $self->_time;
    return _success(200, details => _instance($instance));
}

sub _finish_instance ($self, $body, $id) {
    my $instance = $self->{instances}{$id} or return _no_instance();
    return $self->_finish($instance, $body)
        // _success(200, details => _instance($instance));
}

sub _record_quality ($self, $body, $id) {
    my $instance = $self->{instances}{$id} or return _no_instance();
    $instance->{quality}{ _text($body->{name}) // '' } = $body->{payload};
    return _success(200, details => _instance($instance));
}

sub _list_instances ($self, $request, $) {
    my $agent = $request->param('agent_id');
    my @instances = sort { $a->{order} <=> $b->{order} }
        grep { !defined $agent || $_->{agent_id} eq $agent } values %{ $self->{instances} };
    my @shown = map { _instance($_) } @instances;
    return _success(200, summaries => \@shown, pagination => undef);
}

sub _retrieve_instance ($self, $request, $id) {
    my $instance = $self->{instances}{$id} or return _no_instance();
    return _success(200, details => _instance($instance));
}

sub _context ($self, $request, $id) {
    my $instance = $self->{instances}{$id} or return _no_instance();
    return _success(200, details => {
        agent_instance_id => $id,
        agent_id          => $instance->{agent_id},
        quality           => $instance->{quality},
    });
}

sub _ping ($self, $request, $) {
    return _success(200);
}

sub _bulk ($self, $body, $) {
    my %outputs;
    my $items = ref $body->{items} eq 'ARRAY' ? $body->{items} : [];
    for my $item (map { _object($_) } @$items) {
        my $key = _text($item->{idempotency_key}) // '';
        my $name = $BULK{ _text($item->{_type}) // '' };
        my $id = _text($item->{agent_span_id} // $item->{agent_instance_id}) // '';
        my $answer = $name
            ? $self->_once($name, $item, $id)
            : _error(400, 'invalid_value', 'Unknown _type');
        $outputs{$key} = $answer->{value};
    }
    return _success(200, outputs => \%outputs);
}

sub _span ($span, $with_summary = 0) {
    my %shown = %$span;
    delete @shown{qw(order created)};
    $shown{summary} = "$span->{id}: $span->{status}" if $with_summary;
    return \%shown;
}

sub _instance ($instance) {
    my %shown = %$instance;
    delete @shown{qw(order quality)};
    return \%shown;
}

# A PFID: 48 bits of milliseconds, 30 of a partition, 80 at random, in
# Crockford's base 32; the first of its 32 digits has three bits.
sub _new_id ($self) {
    my $bits = sprintf '%048b', $self->{sandbox}->now * 1000;
    $bits .= int rand 2 for 1 .. 110;
    my @digits = (0 .. 9, split //, 'abcdefghjkmnpqrstvwxyz');
    return join '', map { $digits[ oct "0b$_" ] } unpack '(a5)*', "00$bits";
}

sub _time ($self) {
    return datetime($self->{sandbox}->now);
}

sub _object ($value) {
    return ref $value eq 'HASH' ? $value : {};
}

sub _text ($value) {
    return defined $value && !ref $value ? "$value" : undef;
}

sub _no_instance {
    return _error(404, 'not_found', 'No agent instance with this id');
}

sub _success ($status, %members) {
    return _answer($status, { status => 'success', %members });
}

sub _error ($status, $code, $message, %members) {
    return _answer($status,
        { status => 'error', code => $code, message => $message, %members });
}

sub _answer ($status, $value) {
    return { %{ json_answer($status, $value) }, value => $value };
}

1;
