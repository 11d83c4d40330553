package Proctor::Test::Status;

# The status page of a fixture whose nginx has it at /proctor-status.
#
#     redis($t)                 # what it says of Redis, after one question
#     becomes($t, 'ready')      # waits for the state; what was said then
#     recovers($t)              # becomes ready, and answers, within 1.5 s

use strict;
use warnings;

use Exporter 'import';
use Time::HiRes qw(time);

use Proctor::Test::Wait qw(wait_until);

our @EXPORT_OK = qw(redis becomes recovers location);


sub location { "location = /proctor-status { proctor_status; }\n" }


sub redis {
    my ($t) = @_;

    my $r = $t->request(GET => '/proctor-status')
        or die "the status page did not answer\n";
    die "no status: $r->{line}\n$r->{body}\n" unless $r->{json};
    return $r->{json}{redis};
}


sub becomes {
    my ($t, $state, $seconds) = @_;

    return wait_until("Redis to be $state", sub {
        my $redis = redis($t);
        return $redis->{state} eq $state ? $redis : undef;
    }, $seconds);
}


# The seconds that it took; undef: more than are allowed.
sub recovers {
    my ($t, $seconds) = @_;

    my $start = time;
    my $back = eval {
        wait_until('Redis to answer', sub {
            my $redis = redis($t);
            return $redis->{state} eq 'ready' && $redis->{ping} eq 'reply';
        }, $seconds // 1.5);
    };
    return $back ? time - $start : undef;
}

1;
