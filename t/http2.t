use strict;
use warnings;

# The same verdicts in HTTP/2 as in HTTP/1.1.

use File::Temp ();
use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::Wait qw(slurp);
use Test::More;

plan skip_all => 'curl does not speak HTTP/2 here'
    unless `curl -V` =~ /\bHTTP2\b/;

my $base = '/api/v2/experiments';
my $t = Proctor::Test->new(listen => 'http2',
    options => 'client_max_body_size 64k;');


# One request by curl: { status, headers, body, json, rid }.
sub h2 {
    my ($method, $target, %args) = @_;

    my $rid = Proctor::Test::rid();
    my $head = File::Temp->new;
    my $sent = File::Temp->new;
    my @headers = ("X-Request-Id: $rid", @{ $args{headers} || [] });
    push @headers, join ': ', $t->authorization($args{key}) if $args{key};

    my @body;
    if (defined $args{body}) {
        print {$sent} $args{body};
        CORE::close $sent;
        @body = ('--data-binary', '@' . $sent->filename);
        push @headers, 'Content-Type: application/json'
            unless grep { /^content-type/i } @headers;
    }

    my @command = ('curl', '-s', '--http2-prior-knowledge', '--path-as-is',
        '--globoff', '--max-time', 20, '-X', $method,
        $method eq 'HEAD' ? '-I' : (), '-D', $head->filename, @body,
        (map { ('-H', $_) } @headers),
        'http://127.0.0.1:' . $t->port . $target);

    open my $pipe, '-|', @command or die "curl: $!\n";
    binmode $pipe;
    my $body = do { local $/; <$pipe> } // '';
    CORE::close $pipe;

    my $lines = slurp($head->filename);
    my ($status) = $lines =~ m{\AHTTP/2 (\d+)};
    my %headers = map { lc() } $lines =~ /^([^:\s]+): *([^\r]*)/mg;

    return Proctor::Test::finish({ status => $status // 0, line => $lines,
        head => $lines, headers => \%headers, body => $body }, $rid);
}


for my $case (
    # status (0: passes), method, target, more
    [0,   GET    => "$base/"],
    [0,   HEAD   => "$base/"],
    [0,   GET    => "$base/list/?page=1"],
    [0,   POST   => "$base/list/", body => '{}'],
    [0,   DELETE => "$base/x/"],
    [401, GET    => "$base/", key => undef],
    [401, POST   => "$base/", key => undef, body => '{}'],
    [403, DELETE => "$base/x/", key => 'viewer'],
    [404, GET    => "$base"],
    [404, GET    => "$base/x/y/"],
    [405, PUT    => "$base/"],
    [405, 'M-SEARCH' => "$base/"],
    [400, GET    => "$base/%2e%2e/experiments/x/"],
    [400, GET    => "$base/x/../y/"],
    [400, GET    => "$base//x/"],
    [400, GET    => "$base/a%2fb/"],
    [400, GET    => "$base/a;b/"],
    [400, GET    => "$base/?page_size=0"],
    [400, GET    => "$base/?page=1&page=1"],
    [400, GET    => "$base/?_method=DELETE"],
    [400, GET    => "$base/", body => '{}'],
    [400, POST   => "$base/", body => '{"a":1,"a":2}'],
    [400, POST   => "$base/", body => '{'],
    [400, POST   => "$base/list/"],
    [413, POST   => "$base/", body => 'x' x 65_537],
    [415, POST   => "$base/", body => '{}', headers => ['Content-Type: text/plain']],
    [415, POST   => "$base/list/", body => '{}', headers => ['Content-Encoding: gzip']],
    [400, GET    => "$base/", headers => ['X-HTTP-Method-Override: DELETE']],
    [400, GET    => "$base/", headers => ["X-Any: a\x01b"]],
    [417, POST   => "$base/list/", body => '{}', headers => ['Expect: x']],
) {
    my ($status, $method, $target, %args) = @$case;
    $args{key} = 'admin' unless exists $args{key};
    my $r = h2($method, $target, %args);
    my $name = "$method $target" . (defined $args{body} ? ' with a body' : '')
        . ($args{headers} ? " $args{headers}[0]" : '');
    $name =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ge;

    if ($status == 0) {
        $t->passes($r, "$name passes");
        my ($got) = $t->upstream($r);
        is_deeply [Proctor::Test::Sandbox::values_of($got, 'Authorization')],
            ['Bearer ' . $t->teams->{upstream}{respan}], '... with one key';
        is $got->{target}, $target, '... and its own target';
    }
    elsif (defined $args{body}) {
        # nginx resets the stream of a body that nobody reads, and curl then
        # may lose the answer that came before: the trail knows it
        is $t->audit($r)->{status}, $status, "$name: $status";
        is scalar(my @got = $t->upstream($r)), 0, '... and not forwarded';
    }
    else {
        $t->refuses($r, $status, "$name: $status");
    }
}


# bodies: small, in a file, checked aside
for my $size (10, 5000, 60_000) {
    my $body = '{"dataset_id":"d","evaluator_ids":["e"],"workflow":'
        . '[{"type":"t"}],"x":"' . ('y' x $size) . '"}';
    my $r = h2(POST => "$base/", key => 'admin', body => $body);
    $t->passes($r, "a body with $size bytes more");
    my ($got) = $t->upstream($r);
    is $got->{body}, $body, '... arrives as it was';
}


# identity, cookies and what the pseudo-headers may hide
{
    my $r = h2(GET => "$base/", key => 'admin', headers => [
        'Cookie: a=b', 'Cookie: c=d', 'X-Forwarded-User: forged',
        'X-Api-Key: forged', 'X-Proctor-Team: forged']);
    my ($got) = $t->upstream($r);
    unlike $got->{head}, qr/forged|^Cookie/mi, 'claims do not pass';

    $r = h2(GET => "$base/list/?page_size=1", key => 'admin');
    unlike $r->{body}, qr/"next":"http:\/\/(?!127\.0\.0\.1:${\ $t->port}\/)/,
        'links point to the authority that was asked';
}

$t->done;
