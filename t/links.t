use strict;
use warnings;

# Links in list answers point to the gateway, however the answer arrives; no
# other byte of it changes.

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Uncompress::Gunzip qw(gunzip);
use Proctor::Test;
use Test::More;

my $list = '/api/v2/experiments/list/';

my $t = Proctor::Test->new(
    http => sub {
        my ($self) = @_;
        return <<"EOT";
    gzip on;
    gzip_types application/json;
    gzip_min_length 1;
    gzip_http_version 1.0;
    server {
        listen 127.0.0.1:$self->{port};
        server_name fixed.test;
        proctor_origin https://proctor.example.com:8443;
        location / {
            proctor respan;
            proxy_pass http://sandbox;
        }
    }
    server {
        listen 127.0.0.1:$self->{port};
        server_name unbuffered.test;
        proctor_origin http://gateway.test;
        location / {
            proctor respan;
            proxy_buffering off;
            proxy_pass http://sandbox;
        }
    }
    server {
        listen 127.0.0.1:$self->{port};
        server_name tight.test;
        proctor_origin http://gateway.test;
        location / {
            proctor respan;
            proxy_buffer_size 1k;
            proxy_buffers 2 1k;
            proxy_busy_buffers_size 1k;
            proxy_max_temp_file_size 64k;
            proxy_pass http://sandbox;
        }
    }
EOT
    },
);

# the upstream, and us
my $up = 'https://api.respan.ai';
my $us = 'http://gateway.test';

my @cases = (
    ['both links',
        qq({"count":2,"results":[],"next":"$up/a?page=3","previous":"$up/a?page=1"}),
        qq({"count":2,"results":[],"next":"$us/a?page=3","previous":"$us/a?page=1"})],
    ['null', q({"next":null,"previous":null,"results":[]})],
    ['space', qq( {\n "next" :\t"$up/a" ,\r\n "previous": null } \n),
        qq( {\n "next" :\t"$us/a" ,\r\n "previous": null } \n)],
    ['escaped slashes', q({"next":"https:\/\/api.respan.ai\/a\/b"}),
        qq({"next":"$us\\/a\\/b"})],
    ['an escaped name', qq({"\\u006eext":"$up/a"}), qq({"\\u006eext":"$us/a"})],
    ['an escaped scheme', q({"next":"\u0068ttps:\u002f\u002fapi.respan.ai/a"}),
        qq({"next":"$us/a"})],
    ['a name given twice', qq({"next":"$up/a","next":"$up/b"}),
        qq({"next":"$us/a","next":"$us/b"})],
    ['a port', q({"next":"http://api.respan.ai:8000/a"}), qq({"next":"$us/a"})],
    ['user information', q({"next":"http://u:p@api.respan.ai/a"}),
        qq({"next":"$us/a"})],
    ['upper case', q({"next":"HTTPS://API.RESPAN.AI/A"}), qq({"next":"$us/A"})],
    ['no path', qq({"next":"$up"}), qq({"next":"$us"})],
    ['a query at once', qq({"next":"$up?page=2"}), qq({"next":"$us?page=2"})],
    ['no scheme', q({"next":"//api.respan.ai/a"}), qq({"next":"$us/a"})],
    ['a path', q({"next":"/a?page=2"})],
    ['another scheme', q({"next":"ftp://api.respan.ai/a"})],
    ['a link inside of data',
        qq({"results":[{"next":"$up/a","x":{"previous":"$up/b"}}],"next":null})],
    ['a link in another member', qq({"url":"$up/a","nextt":"$up/b","nex":"$up/c"})],
    ['a link in a list', qq({"next":["$up/a"],"previous":{"next":"$up/a"}})],
    ['brackets in strings',
        qq({"x":"}]{[\\"","y":["]}\\\\",{"z":"\\\\\\""}],"next":"$up/a"}),
        qq({"x":"}]{[\\"","y":["]}\\\\",{"z":"\\\\\\""}],"next":"$us/a"})],
    ['numbers and words', qq({"a":-1.5e+3,"b":true,"c":false,"next":"$up/a"}),
        qq({"a":-1.5e+3,"b":true,"c":false,"next":"$us/a"})],
    ['the link between', qq({"a":[[1]],"next":"$up/a","b":{"c":[]}}),
        qq({"a":[[1]],"next":"$us/a","b":{"c":[]}})],
    ['data after it', qq({"next":"$up/a","x":"$up/a https://api.respan.ai"}),
        qq({"next":"$us/a","x":"$up/a https://api.respan.ai"})],
    ['an empty object', '{}'],
    ['a list', qq([{"next":"$up/a"}])],
    ['a string', qq("next")],
    ['no JSON', qq(<a href="$up/a">next</a>)],
    ['text that breaks off', qq({"results":[{"next":"$up/a")],
    ['a link that breaks off', q({"next":"htt)],
    ['bytes that are no UTF-8', qq({"x":"\xff\xfe","next":"$up/a"}),
        qq({"x":"\xff\xfe","next":"$us/a"})],
    ['nothing', ''],
);

my @ways = (
    ['with a length',       {}],
    ['in one chunk',        { chunked => \1 }],
    ['in chunks of 1',      { chunked => \1, pace => { bytes => 1, every => 0 } }],
    ['in chunks of 7',      { chunked => \1, pace => { bytes => 7, every => 0 } }],
    ['byte for byte',       { pace => { bytes => 1, every => 0 } }],
);


sub ask {
    my ($body, $way, @more) = @_;

    $t->sandbox->behave({ status => 200, bytes => $body, %$way });
    return $t->request(GET => $list, key => 'admin', @more);
}


for my $case (@cases) {
    my ($name, $text, $want) = @$case;
    $want //= $text;

    for my $host ('gateway.test', 'unbuffered.test') {
        my @wrong;

        for my $way (@ways) {
            my $r = ask($text, $way->[1], host => $host);
            push @wrong, "$way->[0]: $r->{status} $r->{body}"
                if $r->{status} != 200 || $r->{body} ne $want || $r->{closed};
        }
        ok !@wrong, "$name, $host" or diag join "\n", "want: $want", @wrong;
    }
}


# whose origin
{
    my $r = ask(qq({"next":"$up/a"}), {}, host => 'fixed.test');
    is $r->{body}, q({"next":"https://proctor.example.com:8443/a"}),
        'proctor_origin is what it says';

    $r = ask(qq({"next":"$up/a"}), {}, host => "gateway.test:8080");
    is $r->{body}, q({"next":"http://gateway.test:8080/a"}),
        'else the host that was called, with its port';
}

# the link can be followed
{
    $t->request(POST => '/api/v2/experiments/', key => 'admin', json => {
        dataset_id => 'd', evaluator_ids => ['e'], workflow => [{ type => 'x' }]
    }) for 1 .. 3;
    my $r = $t->request(GET => "$list?page_size=1", key => 'admin');
    my $next = $r->{json}{next} // '';
    like $next, qr{\A\Q$us$list\E\?}, "the sandbox's own link points to us";
    (my $target = $next) =~ s{\A\Q$us\E}{};
    $r = $t->request(GET => $target, key => 'admin');
    is $r->{status}, 200, '... and leads to the next page';
    like $r->{json}{previous}, qr{\A\Q$us$list\E}, '... and back';
}


# large, through small buffers and temporary files
{
    my $row = '{"next":"' . $up . '/x","v":"' . ('\\\\\"{[' x 50) . '"},';
    my $rows = ($row x 2000) . '0';
    my $text = qq({"results":[$rows],"next":"$up/a","n":[$rows],"previous":"$up/b"});
    my $want = qq({"results":[$rows],"next":"$us/a","n":[$rows],"previous":"$us/b"});

    for my $host ('gateway.test', 'unbuffered.test', 'tight.test') {
        for my $way ({}, { chunked => \1 },
            { chunked => \1, pace => { bytes => 9973, every => 0.001 } }) {
            my $r = ask($text, $way, host => $host);
            ok $r->{body} eq $want, 'over a megabyte, ' . $host;
        }
    }
}


# lengths and validators tell the truth
{
    my $text = qq({"next":"$up/a"});
    my $r = ask($text, { headers => { ETag => '"strong"',
        'Accept-Ranges' => 'bytes', 'Content-MD5' => 'x' } });
    my $length = $r->{headers}{'content-length'};
    ok !defined $length || $length == length $r->{body}, 'no false length';
    unlike $r->{headers}{etag} // '', qr/\A"/, 'no strong ETag of other bytes';
    ok !exists $r->{headers}{'accept-ranges'}, 'no ranges of other bytes';

    $r = ask($text, {}, headers => ['Range', 'bytes=0-3']);
    is $r->{status}, 200, 'a range of a rewritten answer is not cut';
    is $r->{body}, qq({"next":"$us/a"}), '... it is whole';

    my $conn = $t->connect;
    $t->sandbox->behave({ status => 200, bytes => $text });
    $r = $t->request(HEAD => $list, key => 'admin', conn => $conn);
    is $r->{status}, 200, 'HEAD';
    ok !defined $r->{headers}{'content-length'}
        || $r->{headers}{'content-length'} == length qq({"next":"$us/a"}),
        '... has no false length';
    $r = ask($text, {}, conn => $conn);
    is $r->{body}, qq({"next":"$us/a"}), '... and the connection goes on';
    $conn->close;

    $t->sandbox->behave({ status => 200, bytes => $text });
    my $old = $t->connect;
    $old->send("GET $list HTTP/1.0\r\nHost: gateway.test\r\nAuthorization: Bearer "
        . $t->teams->token('admin') . "\r\n\r\n");
    $r = $old->answer;
    is $r->{body}, qq({"next":"$us/a"}), 'HTTP/1.0';
}


# codings: identity is asked for where links are ours, and only there
{
    my $text = qq({"next":"$up/a"});
    my $r = ask($text, {}, headers => ['Accept-Encoding', 'gzip, br']);
    my ($got) = $t->upstream($r);
    my @asked = Proctor::Test::Sandbox::values_of($got, 'Accept-Encoding');
    ok !(grep { $_ ne 'identity' } @asked), 'the upstream is asked for identity';

    is $r->{headers}{'content-encoding'}, 'gzip', 'the gateway may code it anew';
    gunzip(\$r->{body} => \my $plain);
    is $plain, qq({"next":"$us/a"}), '... and it is the rewritten one';

    $r = ask($text, { gzip => \1 });
    is $r->{status}, 502, 'an answer that is coded all the same: 502';
    ok ref $r->{json} eq 'HASH' && $r->{json}{detail}, '... in the shape';

    $t->sandbox->behave({ status => 200, body => '{"id":"x"}', gzip => \1 });
    $r = $t->request(GET => '/api/v2/experiments/x/', key => 'admin',
        headers => ['Accept-Encoding', 'gzip']);
    is $r->{status}, 200, 'elsewhere a coded answer passes';
    ($got) = $t->upstream($r);
    is_deeply [Proctor::Test::Sandbox::values_of($got, 'Accept-Encoding')],
        ['gzip'], '... and may be asked for';
}


# errors, and operations without links, are left alone
{
    my $text = qq({"next":"$up/a"});
    $t->sandbox->behave({ status => 404, bytes => $text });
    my $r = $t->request(GET => $list, key => 'admin');
    is $r->{body}, $text, 'an error is not rewritten';

    $t->sandbox->behave({ status => 200, bytes => $text });
    $r = $t->request(GET => '/api/v2/experiments/x/', key => 'admin');
    is $r->{body}, $text, 'nor is an answer without links in the contract';

    $t->sandbox->behave({ status => 204 });
    $r = $t->request(GET => $list, key => 'admin');
    is $r->{status}, 204, '204 passes';
}


# an authority without an end
{
    my $r = ask('{"next":"https://' . ('x' x 100_000) . '/a"}', {});
    ok !$r || $r->{closed} || $r->{status} == 502, 'an endless authority is not passed';
}

$t->done;
