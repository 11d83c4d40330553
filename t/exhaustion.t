use strict;
use warnings;

# More clients than there is room for, and clients that do nothing: the others
# are served, and when the many are gone everything is as it was.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::Http;
use Proctor::Test::Wait qw(slurp wait_until);
use Test::More;
use Time::HiRes qw(time);

my $list = '/api/v2/experiments/list/';
my $create = {
    dataset_id    => 'ds_slow',
    workflow      => [{ type => 'completion', config => {} }],
    evaluator_ids => ['eval_quality'],
};

slow_clients();
no_connections();
no_descriptors();

done_testing;


# No answer within a second is none.
sub statuses {
    my ($t, $n) = @_;

    return join ' ', map {
        my $conn = Proctor::Test::Http->new(port => $t->port, timeout => 1);
        my $answer = eval {
            $t->request(GET => $list, key => 'viewer', conn => $conn);
        };
        $conn->close;
        $answer ? $answer->{status} : 'none';
    } 1 .. $n;
}


# Seconds that the slowest but few of so many reads took.
sub slowest {
    my ($t, $n) = @_;

    my @seconds = sort { $a <=> $b } map {
        my $start = time;
        is $t->request(GET => $list, key => 'viewer')->{status}, 200
            or return 1e9;
        time - $start;
    } 1 .. $n;

    return $seconds[$n * 0.95];
}


# 200 who never finish: their header, their body, or reading the answer.
sub slow_clients {
    my $t = Proctor::Test->new(server => <<'EOT');
        client_header_timeout 3s;
        client_body_timeout 3s;
        send_timeout 3s;
        reset_timedout_connection on;
EOT
    my $alone = slowest($t, 40);

    my $whole = $t->bytes(POST => '/api/v2/experiments/', key => 'admin',
        json => $create);
    my @slow = map { $t->connect } 1 .. 200;
    for my $i (0 .. $#slow) {
        my $cut = $i % 2 ? 20 + $i % 40 : length($whole) - 1 - $i % 30;
        $slow[$i]->send(substr $whole, 0, $cut);
    }

    my $beside = slowest($t, 40);
    cmp_ok $beside, '<', 10 * $alone + 0.05,
        'two hundred slow clients do not slow the others';

    my @answers = map { $_->answer } @slow;
    is scalar(grep { $_ && $_->{status} != 408 } @answers), 0,
        'and are let go after their time';
    is scalar(grep { $_->{method} eq 'POST' } $t->sandbox->log), 0,
        'nothing of theirs was forwarded';

    $_->close for @slow;
    $t->stop;
}


# Everybody takes two: a client's and an upstream's.
sub no_connections {
    my $t = Proctor::Test->new(connections => 48);

    my @idle = map { $t->connect } 1 .. 60;
    my $seen = statuses($t, 3);
    unlike $seen, qr/[13-4]\d\d/, "no room for a connection: $seen";

    $_->close for @idle;
    wait_until('room', sub { statuses($t, 1) eq '200' });
    is statuses($t, 5), '200 200 200 200 200', 'and there is room again';

    push @{ $t->nginx->{expected} }, qr/worker_connections are not enough/;
    $t->stop;
}


sub no_descriptors {
    my $t = Proctor::Test->new(main => 'worker_rlimit_nofile 40;');

    my @idle = map { $t->connect } 1 .. 60;
    my $seen = statuses($t, 3);
    unlike $seen, qr/[13-4]\d\d/, "no descriptor left: $seen";

    $_->close for @idle;
    wait_until('descriptors', sub { statuses($t, 1) eq '200' });
    is statuses($t, 5), '200 200 200 200 200', 'and there are some again';

    push @{ $t->nginx->{expected} }, qr/Too many open files/;
    $t->stop;
}
