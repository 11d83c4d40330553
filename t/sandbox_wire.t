#!/usr/bin/perl

# The sandbox on the wire: the bytes it records, and how it misbehaves to order.

use strict;
use warnings;
use feature 'signatures';
no warnings 'experimental::signatures';

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use File::Temp qw(tempdir);
use IO::Socket::UNIX;
use IO::Uncompress::Gunzip qw(gunzip);
use POSIX ();
use Proctor::Test::SandboxClient;
use Proctor::Test::Wait qw(slurp);
use Test::More;

use constant ROOT => '/api/v2/experiments';
use constant PING => '/api/v1/ping';

my $c = Proctor::Test::SandboxClient->new;
my $sandbox = $c->sandbox;
my $ping = "GET ${\PING} HTTP/1.1\r\n" . $c->authorization('prefactor') . "\r\n";

# Sends, and leaves the connection open.
sub send_to ($client, $bytes) {
    my $connection = $client->connect;
    $connection->send($bytes);
    return $connection;
}

subtest 'the log has the bytes' => sub {
    my $auth = "AUTHORIZATION:Bearer respan-key-1\r\n";
    my $body = join '', map { chr } 0 .. 255;
    my $one = "POST ${\ROOT}/%65/?a=%2f&&b HTTP/1.1\r\nhOsT: x\r\n${auth}X-Two:  1 \r\n"
        . "X-Two: 2\r\nX-Bytes: \xff\xe9\r\nContent-Length: 256\r\n\r\n";
    my $two = "PUT ${\ROOT}/e/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
        . "Connection: close\r\n\r\n";
    my $chunks = "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: 1\r\n\r\n";
    my $answers = $c->raw("$one$body$two$chunks");
    is scalar(() = $answers =~ /HTTP\/1\.1 \d\d\d /g), 2, 'two answers on one connection';

    my ($first, $second, @more) = $sandbox->log;
    is scalar @more, 0, 'two lines';
    is $first->{head}, $one, 'the head';
    is $first->{body}, $body, 'the body';
    is $first->{target}, ROOT . '/%65/?a=%2f&&b', 'the target as it was sent';
    is_deeply [ @{ $first->{headers} }[ 0, 1, 2, 3 ] ],
        [
            [ hOsT => 'x' ], [ AUTHORIZATION => 'Bearer respan-key-1' ],
            [ 'X-Two' => 1 ], [ 'X-Two' => 2 ]
        ], 'headers in order, in their case';
    is_deeply [ @$first{qw(body_len body_sha256)} ], [ 256, sha256_hex($body) ], 'its hash';
    is $second->{body}, 'abc0123456789', 'a chunked body, decoded';
    ok $second->{chunked}, 'and so marked';
    is $second->{conn}, $first->{conn}, 'the same connection';
    is $second->{n}, $first->{n} + 1, 'counted';
};

subtest 'requests that are none' => sub {
    my %bad = (
        'request line'   => "GET  /\r\n\r\n",
        'header line'    => "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        'two framings'   => "POST / HTTP/1.1\r\nContent-Length: 1\r\n"
            . "Transfer-Encoding: chunked\r\n\r\n",
        'two lengths'    => "POST / HTTP/1.1\r\n" . "Content-Length: 0\r\n" x 2 . "\r\n",
        'length'         => "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        'chunk'          => "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    );
    for my $name (sort keys %bad) {
        like $c->raw($bad{$name}), qr/^HTTP\/1.1 400 /, $name;
        ok length(($sandbox->log)[-1]{fault}), 'logged with its fault';
    }

    my $before = $sandbox->stats->{requests};
    send_to($c, "POST ${\ROOT}/ HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf")->close;
    $sandbox->wait(requests => $before + 1);
    my $line = ($sandbox->log)[-1];
    is_deeply [ @$line{qw(fault body)} ], [ 'connection closed inside the body', 'half' ],
        'a client that left';
};

subtest 'answers to order' => sub {
    my $status = sub { ($c->call(GET => PING))[0] };
    $sandbox->behave({ match => { method => 'GET', path => '^/api/v1/p' }, times => 2,
        status => 503, headers => { 'X-Y' => 'z' }, body => 'busy' });
    is +($c->call(GET => ROOT . '/'))[0], 200, 'only what matches';
    my (undef, undef, $answer) = $c->call(GET => PING);
    is_deeply [ $answer->{status}, $answer->{body}, $answer->{headers}{'x-y'} ],
        [ 503, 'busy', 'z' ], 'status, body, header';
    is_deeply [ map { $status->() } 1 .. 2 ], [ 503, 200 ], 'as often as said';

    $sandbox->behave({ status => 500, times => 0 });
    is_deeply [ map { $status->() } 1 .. 3 ], [ (500) x 3 ], 'until cleared';
    $sandbox->clear;
    is $status->(), 200, 'cleared';

    $sandbox->behave({ match => { header => { 'X-Who' => '^me$' } }, status => 418 });
    is $status->(), 200, 'a header that is not there';
    is +($c->call(GET => PING, headers => [ 'x-who' => 'me' ]))[0], 418, 'one that is';

    $sandbox->behave({ headers => [ [ 'X-Accel-Redirect' => '/x' ], [ A => 1 ], [ A => 2 ] ] });
    (undef, my $value, $answer) = $c->call(GET => PING);
    is_deeply [ $value->{status}, @{ $answer->{headers} }{qw(x-accel-redirect a)} ],
        [ 'success', '/x', '1, 2' ], 'headers on the API\'s own answer';
    $sandbox->behave({ gzip => \1, chunked => \1 });
    (undef, undef, $answer) = $c->call(GET => PING);
    gunzip(\$answer->{body} => \my $plain);
    is_deeply [ @{ $answer->{headers} }{qw(content-encoding transfer-encoding)}, $plain ],
        [ 'gzip', 'chunked', '{"status":"success"}' ], 'coded';

    $sandbox->behave({ status => 500, apply => \1 });
    is +($c->call(POST => ROOT . '/', json => { experiment_id => 'did' }))[0], 500, 'failed';
    is +($c->call(GET => ROOT . '/did/'))[0], 200, 'but done';
    $sandbox->behave({ status => 500 });
    is +($c->call(POST => ROOT . '/', json => { experiment_id => 'not' }))[0], 500, 'failed';
    is +($c->call(GET => ROOT . '/not/'))[0], 404, 'and not done';

    is +($c->call(POST => '/_sandbox/behave', key => '', json => { colour => 1 }))[0], 400,
        'an unknown wish is refused';
};

subtest 'broken answers' => sub {
    $sandbox->behave({ raw => "HTTP/1.1 200 O\0K\r\n\r\nx" });
    is $c->raw($ping), "HTTP/1.1 200 O\0K\r\n\r\nx", 'raw bytes';
    $sandbox->behave({ close => 'before' });
    is $c->raw($ping), '', 'closed before';
    $sandbox->behave({ close => 'after_head' });
    like $c->raw($ping), qr/Content-Length: 20\r\n.*\r\n\r\n$/s, 'closed after the head';
    $sandbox->behave({ close => 'mid_body' });
    like $c->raw($ping), qr/\r\n\r\n\{"status":$/, 'closed in the body';
    $sandbox->behave({ close => 'mid_body', chunked => \1 });
    like $c->raw($ping), qr/\r\n\r\n14\r\n\{"status":"$/, 'in a chunk';

    $sandbox->behave({ close => 'reset' });
    my $connection = send_to($c, $ping);
    is $connection->rest, '', 'reset';
    ok $connection->{reset}, 'which is not a close';
};

subtest 'late answers' => sub {
    $sandbox->behave({ delay => 0.01, pace => { bytes => 3, every => 0.001 }, chunked => \1 });
    my $answer = send_to($c, $ping)->answer;
    is_deeply [ $answer->{body}, $answer->{chunks} ],
        [ '{"status":"success"}', [ (3) x 6, 2 ] ], 'late and in pieces';

    $sandbox->behave({ hold => 'door' });
    my $held = send_to($c, $ping);
    is $sandbox->wait(held => 1)->{held}, 1, 'held';
    is +($c->call(GET => PING))[0], 200, 'while others pass';
    is $sandbox->release('door')->{released}, 1, 'released';
    is $held->answer->{status}, 200, 'answered';
    $held->close;
    is $sandbox->wait(open => 1)->{open}, 1, 'only this connection is open';

    is +($c->call(GET => '/_sandbox/wait?requests=99999&timeout=0.01', key => ''))[0], 408,
        'a wait in vain';

    $sandbox->behave({ hold => 'door' });
    $held = send_to($c, $ping);
    $sandbox->wait(held => 1);
    $sandbox->control(POST => 'reset');
    is $held->answer->{status}, 200, 'a reset lets go';
};

subtest 'HEAD, versions, 100-continue' => sub {
    my $list = ROOT . '/list/';
    my (undef, undef, $answer) = $c->call(HEAD => $list);
    is_deeply [ $answer->{status}, $answer->{body} ], [ 200, '' ], 'HEAD';
    is $answer->{headers}{'content-length'}, length +($c->call(GET => $list))[2]{body},
        'with the length of a GET';

    my $old = "GET $list HTTP/1.0\r\n" . $c->authorization . "\r\n";
    like $c->raw($old), qr/\r\nConnection: close\r\n/, 'HTTP/1.0 closes';
    my $kept = send_to($c, $old =~ s/\r\n/\r\nConnection: keep-alive\r\n/r);
    is $kept->answer->{headers}{connection}, 'keep-alive', 'unless asked';
    $kept->send($ping);
    is $kept->answer->{status}, 200, 'and then serves another';

    my $patient = send_to($c, "POST ${\ROOT}/ HTTP/1.1\r\n" . $c->authorization
        . "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    $patient->await(sub { $patient->{buffer} =~ /100 Continue\r\n\r\n/ });
    $patient->send('{}');
    $answer = $patient->answer;
    is_deeply [ $answer->{status}, $answer->{interim} ], [ 201, [100] ], '100-continue';
};

# Last: the log is not read again, its lines being long.
subtest 'large bodies' => sub {
    my $big = 'a' x 20_000_000;
    my $hash = sha256_hex($big);
    my $head = "POST ${\ROOT}/ HTTP/1.1\r\n" . $c->authorization . "Connection: close\r\n";
    my $chunks = join '', map {"4c4b40\r\n$_\r\n"} unpack '(a5000000)*', $big;
    my %way = (
        length  => "Content-Length: 20000000\r\n\r\n$big",
        chunked => "Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n",
    );
    for my $name (sort keys %way) {
        like $c->raw($head . $way{$name}), qr/^HTTP\/1.1 201 /, "20 MB, $name";
    }
    my $log = slurp($sandbox->{log_file});
    is scalar(() = $log =~ /"body_sha256":"$hash"/g), 2, 'both whole';
};

is $sandbox->stop, 0, 'SIGTERM: exit status 0';
is slurp($sandbox->{output}), '', 'and nothing on stderr';

subtest 'options' => sub {
    my $path = tempdir(CLEANUP => 1) . '/socket';
    my $other = Proctor::Test::SandboxClient->new('--listen', "unix:$path",
        '--limit', '2/minute', '--public-url', 'https://h.example/');
    my $target = ROOT . '/experiment_id/logs/list/?page_size=1';
    is +($other->call(GET => $target))[1]{next}, "https://h.example$target&page=2",
        '--public-url';

    my $local = IO::Socket::UNIX->new($path) or die "$path: $!";
    print {$local} "GET ${\ROOT}/ HTTP/1.0\r\n" . $other->authorization . "\r\n";
    $local->flush;
    like scalar <$local>, qr/^HTTP\/1.1 200 /, 'a unix socket';
    is +($other->call(GET => ROOT . '/'))[0], 429, '--limit';
    is $other->sandbox->stop, 0, 'stopped';
    ok !-e $path, 'its socket is removed';
};

subtest 'refused options' => sub {
    local @ENV{qw(SANDBOX_RESPAN_KEY SANDBOX_PREFACTOR_KEY)} = ('key', '');
    my %refused = (
        'beyond loopback' => [ [ '--listen', '0.0.0.0:0' ], qr/only loopback/ ],
        'no address'      => [ [], qr/no --listen/ ],
        'no such option'  => [ ['--wrong'], qr/wrong/ ],
        'a limit of what' => [ [ '--listen', '127.0.0.1:0', '--limit', 'x' ], qr/--limit/ ],
    );
    for my $name (sort keys %refused) {
        my ($options, $reason) = @{ $refused{$name} };
        my ($status, $said) = outcome(@$options);
        isnt $status, 0, $name;
        like $said, $reason, 'and says why';
    }
};

done_testing;

# The exit status and stderr of a sandbox that is to refuse its options.
sub outcome (@options) {
    my $file = tempdir(CLEANUP => 1) . '/err';
    my $child = fork // die "fork: $!";
    if (!$child) {
        open STDERR, '>', $file or POSIX::_exit(126);
        exec $^X, "$FindBin::Bin/sandbox", @options or POSIX::_exit(127);
    }
    waitpid $child, 0;
    return ($?, slurp($file));
}
