use strict;
use warnings;

# What comes back from an upstream that is broken or hostile: what is no proper
# answer is a 502, and its connection is used for nobody else; what is meant
# for the gateway alone does not reach the caller.

use FindBin;
use IO::Select;
use IO::Socket::INET;
use lib "$FindBin::Bin/lib";
use POSIX ();
use Proctor::Test;
use Proctor::Test::Wait qw(slurp);
use Test::More;

my $base = '/api/v2/experiments';
my %answers;

my @odd = (
    ['100, with a length', "HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n"],
    ['102, with a length', "HTTP/1.1 102 Processing\r\nContent-Length: 0\r\n\r\n"],
    ['a hundred of 103', ("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" x 100)
        . "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"],
    ['status 000', "HTTP/1.1 000 None\r\nContent-Length: 2\r\n\r\n{}"],
    ['status 099', "HTTP/1.1 099 None\r\nContent-Length: 2\r\n\r\n{}"],
    ['status 600', "HTTP/1.1 600 None\r\nContent-Length: 2\r\n\r\n{}"],
    ['status 999', "HTTP/1.1 999 None\r\nContent-Length: 2\r\n\r\n{}"],
    ['two lengths', "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n"
        . "content-length: 2\r\n\r\n{}"],
    ['the same length twice', "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
        . "Content-Length: 2\r\n\r\n{}"],
    ['a length and chunks', "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
        . "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"],
    ['chunks and a length', "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
        . "Content-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n"],
    ['a CR in a value', "HTTP/1.1 200 OK\r\nX: a\rSet: b\r\n"
        . "Content-Length: 2\r\n\r\n{}"],
    ['a folded line', "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n"
        . "Content-Length: 2\r\n\r\n{}"],
    ['an empty name', "HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 2\r\n\r\n{}"],
    ['HTTP/2 200', "HTTP/2 200\r\nContent-Length: 2\r\n\r\n{}"],
    ['a status of four digits', "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\n{}"],
);

for my $i (0 .. $#odd) {
    $answers{"$base/odd-$i/"} = $odd[$i][1];
}
$answers{"$base/fine/"} = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
$answers{"$base/slow-chunks/"} = "HTTP/1.1 200 OK\r\n"
    . "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n";


# An upstream that answers by the path, and keeps every connection open; it
# writes down which connection each request came on, and ends with the test.
sub upstream {
    my ($listen, $log, $test) = @_;

    open my $fh, '>>', $log or return;
    $fh->autoflush(1);
    my $select = IO::Select->new($listen);
    my ($serial, %number, %in) = (0);

    while (getppid == $test) {
        for my $socket ($select->can_read(1)) {
            if ($socket == $listen) {
                my $conn = $listen->accept or next;
                $number{$conn} = ++$serial;
                $select->add($conn);
                next;
            }

            unless (sysread $socket, $in{$socket}, 65536,
                length($in{$socket} // '')) {
                delete $in{$socket};
                $select->remove($socket);
                close $socket;
                next;
            }

            while ($in{$socket} =~ s/\A\w+ (\S+) .*?\r\n\r\n(?:\{.*\})?//s) {
                print {$fh} "$number{$socket} $1\n";
                syswrite $socket, $answers{$1} // $answers{"$base/fine/"};
            }
        }
    }
}

my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 64)
    or die "listen: $!\n";
my $log = File::Temp->new;
my $test = $$;
my $pid = fork // die "fork: $!\n";

unless ($pid) {
    eval { upstream($listen, $log->filename, $test) };
    POSIX::_exit(0);
}

my $t = Proctor::Test->new(
    http => sub {
        my ($self) = @_;
        my $port = $listen->sockport;
        return join '', "upstream keeps { server 127.0.0.1:$port; keepalive 1; }",
            map { <<"EOT" } 'on', 'off';
    server {
        listen 127.0.0.1:$self->{port};
        server_name buffering-$_.test;
        location / {
            proctor respan;
            proxy_buffering $_;
            proxy_next_upstream off;
            proxy_pass http://keeps;
        }
    }
EOT
    });
$listen->close;

sub get { $t->request(GET => "$base/$_[0]/", key => 'admin', host => $_[1]) }

# "3 /path" of the last request there
sub came { (split /\n/, slurp($log->filename))[-1] }


# H25: each is a 502 in the API's shape, and the next caller is not answered
# with what is left of it
for my $host ('buffering-on.test', 'buffering-off.test') {
    for my $i (0 .. $#odd) {
        my ($name) = @{ $odd[$i] };
        my $r = get("odd-$i", $host);
        my ($number) = came() =~ /\A(\d+) /;
        is $r->{status}, 502, "$name: 502";
        is ref $r->{json}, 'HASH', '... in the shape of the API';
        unlike "$r->{head}$r->{body}", qr/Early|^X:|^Link/m, '... of it nothing';
        is $t->audit($r)->{status}, 502, '... and the trail has it';

        $r = get('fine', $host);
        is "$r->{status} $r->{body}", '200 {}', '... the next call is answered';
        isnt((came() =~ /\A(\d+) /)[0], $number,
            '... on another connection');
    }

    my $r = get('fine', $host);
    my $kept = came();
    get('fine', $host);
    is came(), $kept, 'a proper answer keeps its connection';

    $r = get('slow-chunks', $host);
    ok !$r || $r->{closed}, 'chunks that are none are not made whole';
}

# a durable operation is not a success, whatever that was
for my $status ('000', '600') {
    $t->sandbox->behave({ raw => "HTTP/1.1 $status x\r\nContent-Length: 2\r\n\r\n{}" });
    my $r = $t->request(POST => "$base/", key => 'admin', json => {
        dataset_id => 'd', evaluator_ids => ['e'], workflow => [{ type => 't' }] });
    is $r->{status}, 502, "a create with status $status: 502";
    is $t->audit($r)->{result}, 'upstream_error', '... and is no success';
}


# cookies of the upstream belong to the lent account, not to the caller
for my $path ("$base/x/", "$base/list/", '/api/v1/ping') {
    $t->sandbox->behave({ headers => [['Set-Cookie', 'sessionid=lent'],
        ['set-cookie', 'other=lent'], ['Set-Cookie2', 'third=lent'],
        ['X-Kept', 'kept'], ['Server-Timing', 'kept'],
        ['X-Proctor-Team', 'evil'], ['x-proctor-decision', 'evil'],
        ['X-Accel-Any', 'evil'], ['X-Request-Id', 'evil']] });
    my $r = $t->request(GET => $path, key => 'admin');
    unlike $r->{head}, qr/lent/, "$path: no cookie of the upstream";
    unlike $r->{head}, qr/evil/, '... nor names that are ours (H26)';
    is $r->{headers}{'x-kept'} . $r->{headers}{'server-timing'}, 'keptkept',
        '... its other headers pass';
}

kill 'TERM', $pid;
waitpid $pid, 0;

$t->done;
