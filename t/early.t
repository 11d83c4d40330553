use strict;
use warnings;

# H17: an answer that needs no upstream leaves nothing of its request behind:
# what follows on the connection is answered rightly, or not at all.
# framing.t has those answers that are given before the body is looked at.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test::Cache;
use Test::More;

my $base = '/api/v2/experiments';
my $redis = redis();
my $t = gateway($redis,
    teams => sub {
        $_[0]{teams}{beta}{quotas}
            = [{ name => 'calls', limit => 1, per => '30d' }];
    },
    options => 'client_max_body_size 8k; client_body_buffer_size 1k;');

my $hidden = $t->bytes(GET => "$base/smuggled/", key => 'admin',
    rid => 'smuggled');
my $create = { dataset_id => 'd', evaluator_ids => ['e'],
    workflow => [{ type => 't' }] };

$t->sandbox->behave({ match => { path => "^$base/(?:list|known)/" },
    times => 0, status => 200, json => { results => [] } });
$t->request(POST => "$base/list/", key => 'admin', json => {});
$t->request(GET => "$base/known/", key => 'admin');
$t->request(GET => "$base/", key => 'beta');


# The same bytes in each framing; of an empty body only the first.
sub framings {
    my ($body) = @_;

    return ['with a length', ['Content-Length', length $body], $body],
        length $body ? (['in chunks', ['Transfer-Encoding', 'chunked'],
            join '', map { sprintf "%x\r\n%s\r\n", length, $_ }
                unpack('(a900)*', $body), ''],
            ['with a length, asked for', ['Content-Length', length $body,
                'Expect', '100-continue'], $body]) : ();
}

for my $case (
    # name, status, call, key, body; cached
    ['a hit',            200, [GET => "$base/known/"], 'admin', ''],
    ['a hit of a HEAD',  200, [HEAD => "$base/known/"], 'admin', ''],
    ['a hit of a search', 200, [POST => "$base/list/"], 'admin', '{}'],
    ['a hit of a long search', 200, [POST => "$base/list/"], 'admin',
        '{' . (' ' x 6000) . '}'],
    ['a quota',          429, [GET => "$base/known/"], 'beta', ''],
    ['a quota and a body', 429, [POST => "$base/list/"], 'beta', '{}'],
    ['a quota and a long body', 429, [POST => "$base/list/"], 'beta',
        '{' . (' ' x 6000) . '}'],
    ['a body that is no JSON', 400, [POST => "$base/"], 'admin', $hidden],
    ['a body that does not fit', 400, [POST => "$base/"], 'admin',
        '{"workflow":"' . ('x' x 3000) . '"}'],
    ['a query that does not fit', 400, [POST => "$base/list/?page=0"], 'admin',
        "{}$hidden"],
    ['a body that is too long', 413, [POST => "$base/"], 'admin', $hidden x 100],
    ['nothing but space', 400, [POST => "$base/"], 'admin', ' ' x 2000],
    ['a missing answer', 504, [GET => "$base/nowhere/"], 'admin', '',
        'Cache-Control', 'only-if-cached'],
) {
    my ($name, $status, $call, $key, $body, @more) = @$case;

    for my $framing (framings($body)) {
        my ($how, $headers, $bytes) = @$framing;
        my @rids = map { $t->rid } 1 .. 3;
        my $next = $t->bytes(GET => "$base/next/", key => 'admin',
            rid => $rids[1]) . $t->bytes(POST => "$base/", key => 'admin',
            rid => $rids[2], json => $create);

        # everything at once, and the body after its head
        for my $pieces (1, 2) {
            my $conn = $t->connect;
            my @pieces = ($t->bytes(@$call, key => $key, rid => $rids[0],
                headers => [@$headers, length $body
                    ? ('Content-Type', 'application/json') : (), @more]),
                $bytes . $next);
            $conn->send($_) for $pieces == 1 ? join '', @pieces : @pieces;

            my $r = $conn->answer(method => $call->[0]);
            my @after = map { eval { $conn->answer } } 1, 2;
            $conn->close;

            is $r->{status}, $status, "$name, $how: $status";
            my @wrong = grep {
                my $answer = $after[$_];
                $answer && ($answer->{status} == 400
                    || ($answer->{headers}{'x-request-id'} // '')
                        ne $rids[$_ + 1]);
            } 0, 1;
            ok !@wrong, '... and what follows is answered, or not'
                or diag map { $after[$_]{head} } @wrong;
            ok $after[1], '... to its end' if $status != 413;
        }
    }
}

is scalar(my @smuggled = grep { $_->{target} =~ /smuggled/ } $t->sandbox->log),
    0, 'no hidden request was ever sent on';

$t->done;
