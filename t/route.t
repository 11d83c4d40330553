use strict;
use warnings;

# Which operation is this?  The path is matched exactly as it was sent, and
# what is not one of the contract's own forms is refused, never repaired.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Test::More;

my $t = Proctor::Test->new;
my $base = '/api/v2/experiments';

sub get { $t->request(GET => $_[0], key => 'admin', @_[1 .. $#_]) }


# literal segments win over parameters
for my $case (
    ["$base/",                    'experiment.list'],
    ["$base/list/",               undef],
    ["$base/summary/",            undef],
    ["$base/exp_1/",              'experiment.retrieve'],
    ["$base/exp_1/logs/list/",    undef],
    ["$base/exp_1/logs/summary/", undef],
    ["$base/exp_1/logs/t1/",      undef],
    ["$base/lists/",              'experiment.retrieve'],
    ["$base/exp_1/histogram/?evaluator_id=e", undef],
    ["$base/A.b-c_d~e/",           'experiment.retrieve'],
    ['/api/v1/agent_instance/x',   'instance.retrieve'],
) {
    my ($path, $operation) = @$case;
    my $r = get($path);
    $t->passes($r, "GET $path");

    my $record = $t->audit($r);
    is $record->{operation}, $operation, "... is $operation" if $operation;
    like $record->{operation}, qr/\A\w+(?:\.\w+)+\z/,
        '... has the name of an operation';
}

{
    my %ids;
    $ids{ $t->audit(get("$base/$_"))->{operation} } = $_
        for qw(list/ summary/ x/ x/logs/list/ x/logs/summary/ x/logs/y/);
    is keys %ids, 6, 'literals and parameters are different operations';
}


# P1-P15: forms that are never forwarded
for my $case (
    [400, "$base/exp/../other/"],
    [400, "$base/%2e%2e/experiments/x/"],
    [400, "$base/x/%2E%2e/y/"],
    [400, "$base/x/.%2e/y/"],
    [400, "$base/./"],
    [400, "$base/x/./"],
    [400, "$base/a%2fb/"],
    [400, "$base/a%2Fb/"],
    [400, "$base/a%5cb/"],
    [400, "$base/%252e%252e/"],
    [400, "$base/a%252fb/"],
    [400, "$base/a;b=c/"],
    [400, "$base/..;/x/"],
    [400, "$base//"],
    [400, "$base//x/"],
    [400, "$base/x//logs/y/"],
    [400, "/api//v2/experiments/x/"],
    [400, "/api/./v2/experiments/x/"],
    [400, "/%61pi/v2/experiments/x/"],
    [400, "$base/%61/"],
    [400, "$base/x%20/"],
    [400, "$base/x%00/"],
    [400, "$base/x%0d%0a/"],
    [400, "$base/x\\..\\y/"],
    [400, "$base/x\xef\xbc\x8fy/"],
    [400, "$base/x\xc0\xae/"],
    [400, "$base/x\xe9/"],
    [400, "$base/x%c0%ae/"],
    [400, "$base/x%ef%bc%8f/"],
    [400, "$base/x/#fragment"],
    [400, "$base/x%23/"],
    [400, "$base/x%zz/"],
    [400, "$base/x%/"],
    [400, "$base/x|y/"],
    [400, "$base/x\"y/"],
    [400, "$base/<x>/"],
    [400, "$base/{x}/"],
    [400, "$base/x^y/"],
    [400, "$base/x`y/"],
    [400, '/api/v1/agent_spans/../ping'],
    [400, '/api/v1/agent_spans/a%2fb/finish'],
    [400, '/api/v1/../v1/ping'],
    [400, "$base/a\@b:c/"],
    [400, "$base/!\$&'()*+,=/"],
    [404, "$base/x/1.json"],
    [404, "$base/x/logs/y/x.css"],
    [404, "$base/x/runs/"],
    [404, "$base/x/logs/"],
    [404, "$base/x/LOGS/list/"],
    [404, "${base}X/"],
    [404, "${base}1/"],
    [404, '/api/v1/unheard_of'],
    [404, '/api/v1/agent_instances'],
) {
    my ($status, $path) = @$case;
    (my $name = $path) =~ s/([^\x21-\x7e])/sprintf '\\x%02x', ord $1/ge;
    my $r = get($path);

    # nginx itself answers some of these before a location is known
    if ($r->{headers}{'content-type'} =~ /html/) {
        is $r->{status}, $status, "$name: $status by nginx";
        is scalar(my @got = $t->upstream($r)), 0, '... and not forwarded';
        next;
    }
    $t->refuses($r, $status, "$name: $status");
}

# these leave the location, or never were in it
for my $path ("$base/../secrets", "$base/%2e%2e/secrets", "$base/..%2fsecrets",
    '/API/v2/experiments/', '/api/v2/Experiments/', '/', '/api/v2/',
    "$base/../../../../etc/passwd", '*', "$base/%2e%2e%2fsecrets/x/") {
    my $r = get($path);
    ok $r->{status} == 400 || $r->{status} == 404, "$path: $r->{status}";
    is scalar(my @got = $t->upstream($r)), 0, '... and not forwarded';
}


# the final slash is part of the path; the 404 names the right one
for my $case (
    ["$base",                 qr{\Q$base/\E}],
    ["$base/list",            qr{\Q$base/list/\E}],
    ["$base/exp_1",           qr{/api/v2/experiments/.*/}],
    ["$base/exp_1/logs/list", qr{logs/list/}],
    ['/api/v1/ping/',         qr{/api/v1/ping(?!/)}],
    ['/api/v1/agent_spans/',  qr{/api/v1/agent_spans(?!/)}],
) {
    my ($path, $right) = @$case;
    my $r = get($path);
    $t->refuses($r, 404, "$path: 404 names the right path", says => $right,
        $path =~ /v1/ ? (code => 'not_found') : ());
    ok !exists $r->{headers}{location}, '... and is no redirect';
}


# methods: 405 says which ones there are
for my $case (
    [POST     => "$base/exp_1/",       qr/GET/],
    [DELETE   => "$base/",             qr/POST/],
    [OPTIONS  => "$base/",             qr/GET/],
    [PROPFIND => "$base/",             qr/GET/],
    [PATCH    => "$base/list/",        qr/POST/],
    [DELETE_  => "$base/exp_1/",       qr/DELETE/],
    ['M-SEARCH' => "$base/",           qr/GET/],
    [PURGE    => "$base/exp_1/",       qr/DELETE/],
    [GETS     => "$base/",             qr/GET/],
    [DELETE   => '/api/v1/ping',       qr/GET/],
    [GET      => '/api/v1/agent_spans/x/finish', qr/POST/],
) {
    my ($method, $path, $allow) = @$case;
    my $r = $t->request($method, $path, key => 'admin');
    $t->refuses($r, 405, "$method $path: 405",
        $path =~ /v1/ ? (code => 'not_implemented') : ());
    like $r->{headers}{allow}, $allow, '... Allow says what there is';
    like $r->{headers}{allow}, qr/\A[A-Z]+(?:, [A-Z]+)*\z/, '... as a list';
}

{
    my $r = $t->request(TRACE => "$base/", key => 'admin');
    $t->refuses($r, 405, 'TRACE: 405');
    $r = $t->request(CONNECT => "$base/", key => 'admin');
    ok $r->{status} == 400 || $r->{status} == 405, 'CONNECT is refused';
    is scalar(my @got = $t->upstream($r)), 0, '... and not forwarded';
}


# HEAD is GET without a body
{
    my $r = $t->request(HEAD => "$base/", key => 'admin');
    $t->passes($r, 'HEAD passes');
    is $r->{status}, 200, '... and is answered';
    is $r->{body}, '', '... without a body';
    is $t->audit($r)->{method}, 'HEAD', '... and is written down as HEAD';

    my $conn = $t->connect;
    $t->request(HEAD => "$base/", key => 'admin', conn => $conn);
    $r = $t->request(GET => "$base/", key => 'admin', conn => $conn);
    is $r->{status}, 200, 'the next request on the connection is answered';
    $conn->close;

    $conn = $t->connect;
    $r = $t->request(HEAD => "$base/exp_1", key => 'admin', conn => $conn);
    is $r->{status}, 404, 'HEAD of a wrong path is refused';
    $r = $t->request(GET => "$base/", key => 'admin', conn => $conn);
    is $r->{status}, 200, '... without a byte of a body';
    $conn->close;
}


# the target is forwarded as it came, query and all
for my $target (
    "$base/exp_1/logs/list/?start_time=2024-01-01T00%3A00%3A00Z&page=2",
    "$base/exp_1/?x=%2e%2e%2f&y=a+b&y=c",
    "$base/exp_1/?",
    "$base/exp_1/histogram/?evaluator_id=eval_123%3Agrader_name",
) {
    my $r = get($target);
    $t->passes($r, $target);
    my ($got) = $t->upstream($r);
    is $got->{target}, $target, '... arrives as sent';
}


# absolute form: the same authority or nothing
{
    my $r = $t->request(GET => "http://gateway.test$base/", key => 'admin');
    $t->passes($r, 'absolute form with the Host it names');
    my ($got) = $t->upstream($r);
    is $got->{target}, "$base/", '... goes on as a path';

    $r = $t->request(GET => "http://evil.test$base/", key => 'admin');
    $t->refuses($r, 400, 'absolute form with another Host');
}


# long targets
for my $length (9_000, 16_000, 64_000) {
    my $r = get("$base/" . ('x' x $length) . '/');
    is $r->{status}, 414, "a target of $length bytes is too long";
}

$t->done;
