package Proctor::Sandbox::Behaviour;

# What tests ordered: a queue of rules, each saying which requests it is for,
# how often, and how to misbehave.  The first rule that matches is used.
#
#   {"match":   {"method": "GET", "path": "^/api/v2", "header": {"X-A": "re"}},
#    "times":   1,                 how often; 0: until cleared (default 1)
#    "status":  503, "headers": {"X": "y"} or [["X", "y"], ...],
#    "body":    "..." or "body_b64": "..." or "json": {...},
#    "apply":   true,              let the API do its work, then answer this
#    "gzip":    true,              code the body
#    "chunked": true,              instead of Content-Length
#    "delay":   0.5,               seconds before the answer
#    "hold":    "name",            answer when POST /_sandbox/release names it
#    "pace":    {"bytes": 10, "every": 0.1},        write the body in pieces
#    "close":   "before" | "after_head" | "mid_body" | "reset",
#    "raw_b64": "..."}             these bytes and nothing else, then close
#
# A rule without status, body or raw bytes changes how the API's own answer is
# delivered, and adds its headers to it.

use strict;
use warnings;
use feature 'signatures';
no warnings 'experimental::signatures';

use IO::Compress::Gzip qw(gzip);
use Mojo::Util qw(b64_decode encode);
use Proctor::Sandbox::Answer qw(json_bytes);

my @CANNED = qw(status body body_b64 json);
my @KNOWN  = (
    @CANNED, qw(match times headers apply gzip chunked delay hold pace close raw_b64)
);
my %CLOSE = map { $_ => 1 } qw(before after_head mid_body reset);

sub new ($class) {
    return bless { rules => [] }, $class;
}

# Returns why the rule is refused, or nothing.
sub add ($self, $rule) {
    my %known = map { $_ => 1 } @KNOWN;
    my @unknown = grep { !$known{$_} } sort keys %$rule;
    return "unknown member $unknown[0]" if @unknown;
    return 'unknown close' if defined $rule->{close} && !$CLOSE{ $rule->{close} };

    my $match = $rule->{match} // {};
    my %compiled = eval { _compile($match) };
    return "bad pattern in match: $@" if $@;
    push @{ $self->{rules} },
        { %$rule, %compiled, left => $rule->{times} // 1, sticky => !($rule->{times} // 1) };
    return undef;
}

sub clear ($self) {
    $self->{rules} = [];
    return;
}

sub pending ($self) {
    return scalar @{ $self->{rules} };
}

# The rule for this request, used up by the call; or nothing.
sub take ($self, $request) {
    my ($rule) = grep { _matches($_, $request) } @{ $self->{rules} } or return undef;
    return $rule if $rule->{sticky};
    $self->{rules} = [ grep { $_ != $rule } @{ $self->{rules} } ] if --$rule->{left} < 1;
    return $rule;
}

# Whether the API gets to see the request at all.
sub applies ($rule) {
    return 1 if $rule->{apply};
    return !grep { defined $rule->{$_} } @CANNED, qw(raw_b64);
}

# The API's answer (or none) as the rule wants it.
sub answer ($rule, $api_answer) {
    my $body = _body($rule) // $api_answer->{body} // '';
    my $answer = {
        status  => $rule->{status} // $api_answer->{status} // 200,
        headers => [ @{ $api_answer->{headers} // [] } ],
        body    => $body,
    };
    if ($rule->{gzip}) {
        gzip(\$body => \$answer->{body});
        _header($answer, 'Content-Encoding', 'gzip');
    }
    _header($answer, 'Transfer-Encoding', 'chunked') if $rule->{chunked};
    _header($answer, @$_) for _pairs($rule->{headers});
    _header($answer, 'Content-Type', 'application/json')
        if length $body && !grep { lc $_->[0] eq 'content-type' } @{ $answer->{headers} };
    return $answer;
}

# How the answer is delivered, for Connection.pm.
sub plan ($rule) {
    return {
        close => $rule->{close},
        pace  => $rule->{pace},
        raw   => defined $rule->{raw_b64} ? b64_decode($rule->{raw_b64}) : undef,
    };
}

sub _compile ($match) {
    my $header = $match->{header} // {};
    my @headers = map { [ $_ => qr/$header->{$_}/ ] } sort keys %$header;
    my $path = $match->{path} // '';
    return (method => $match->{method}, path => qr/$path/, header => \@headers);
}

sub _matches ($rule, $request) {
    return 0 if defined $rule->{method} && $rule->{method} ne $request->{method};
    return 0 if $request->{target} !~ $rule->{path};
    for my $wanted (@{ $rule->{header} }) {
        my ($name, $pattern) = @$wanted;
        return 0 if ($request->header($name) // '') !~ $pattern;
    }
    return 1;
}

sub _body ($rule) {
    return b64_decode($rule->{body_b64}) if defined $rule->{body_b64};
    return json_bytes($rule->{json})    if defined $rule->{json};
    return encode('UTF-8', $rule->{body}) if defined $rule->{body};
    return defined $rule->{status} ? '' : undef;
}

sub _pairs ($headers) {
    return () unless $headers;
    return @$headers if ref $headers eq 'ARRAY';
    return map { [ $_ => $headers->{$_} ] } sort keys %$headers;
}

# A list may hold the same name twice on purpose: nothing is replaced but what
# the API had set.
sub _header ($answer, $name, $value) {
    push @{ $answer->{headers} }, [ $name, $value ];
    return;
}

1;
