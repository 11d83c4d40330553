use strict;
use warnings;

# The trail's disk is full, fails, hangs or is gone: durable operations are
# refused within the timeout and do not happen, reads go on, and when the disk
# is back all is well without a restart.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::Strace;
use Proctor::Test::Trail;
use Proctor::Test::Wait qw(slurp wait_until);
use Test::More;
use Time::HiRes qw(time sleep);

my $base = '/api/v2/experiments';
my $ok = { status => 200, json => { id => 'exp_1' }, times => 0 };
my $untraced = Proctor::Test::Strace::missing();
my $slow = $ENV{ASAN_OPTIONS} ? 4 : 1;
my $faults = qr/proctor audit: .* failed|is a new file: abandoned/;
my ($t, @sent, @told);


sub begin {
    my (%args) = @_;

    @sent = @told = ();
    $t = Proctor::Test::Trail::fixture(%args,
        trail => 'timeout=300ms ' . ($args{trail} // ''));
    push @{ $t->nginx->{expected} }, $faults;
    $t->sandbox->behave($ok);
}


# A durable call: its status, 0 when there was no answer.
sub call {
    my ($begin, $r) = (time);

    $r = $t->request(DELETE => "$base/e/", key => 'admin') or return 0;
    push @sent, $r->{rid} if $t->upstream($r);
    push @told, $r->{rid} if $r->{status} == 200;
    if ($r->{status} == 503) {
        my $took = time - $begin;
        my @wrong = $t->wrong($r, 503);
        push @wrong, "after $took s" if $took > 0.3 + 0.5 * $slow;
        push @wrong, 'no Retry-After'
            if ($r->{headers}{'retry-after'} // '') ne '1';
        fail "refused as it has to be: @wrong" if @wrong;
    }
    return $r->{status};
}


sub reads {
    my ($name) = @_;
    my %status;
    $status{ $t->request(GET => "$base/e/", key => 'admin')->{status} }++
        for 1 .. 5;
    is_deeply \%status, { 200 => 5 }, "$name: reads go on";
}


# What must hold when the disk is back.
sub recovers {
    my ($name) = @_;

    wait_until("calls to go well again", sub { call() == 200 });
    my ($status, $text) = Proctor::Test::Trail::whole($t);
    is $status, 0, "$name: the trail is whole" or diag $text;
    my @faults = Proctor::Test::Trail::faults($t, sent => \@sent,
        told => \@told);
    is_deeply \@faults, [], '... nothing happened unaudited';
}


# a full disk
SKIP: {
    my $dir = File::Temp->newdir('proctor-disk-XXXXXXXX', TMPDIR => 1);
    chmod 0755, $dir;
    skip 'a file system of its own needs root', 1
        if system("mount -t tmpfs -o size=64k tmpfs $dir 2>/dev/null");

    begin(dir => "$dir");
    my ($n, $status) = (0, 200);
    $status = call() while $status == 200 && ++$n < 500;
    isnt $status, 200, 'a full disk' or diag $n;
    reads('full');
    isnt call(), 200, '... stays full';
    system("mount -o remount,size=16m $dir");
    recovers('full');
    $t->stop;
    system("umount -l $dir");
}


# its directory is gone, then back
{
    my $home = File::Temp->newdir('proctor-dir-XXXXXXXX', TMPDIR => 1);
    chmod 0755, $home;
    mkdir "$home/trail";
    begin(dir => "$home/trail");
    is call(), 200, 'a directory';
    rename "$home/trail", "$home/away";
    is call(), 503, '... that is gone';
    reads('gone');
    rename "$home/away", "$home/trail";
    recovers('gone');
    $t->stop;
}


# a limit of the process's: no signal ends it
SKIP: {
    begin();
    my ($worker) = $t->nginx->workers;
    call();
    my $size = -s $t->{trail};
    skip 'prlimit cannot be used here', 1
        if system('prlimit', '--pid', $worker, "--fsize=$size:");
    is call(), 503, 'a limit on the size of files';
    reads('a limit');
    is join(' ', $t->nginx->workers), $worker, '... ends nobody';
    system('prlimit', '--pid', $worker, '--fsize=unlimited:');
    recovers('a limit');
    $t->stop;
}


# the N-th write and the N-th fdatasync fail
SKIP: {
    skip $untraced, 1 if $untraced;

    begin();
    my ($worker) = $t->nginx->workers;
    my $last = $ENV{PROCTOR_LONG} ? 50 : 5;

    for my $error ('write:error=EIO', 'write:error=ENOSPC',
        'write:error=EROFS', 'fdatasync:error=EIO') {
        for my $n (1 .. $last) {
            my ($name) = $error =~ /\A(\w+)/;
            my $s = Proctor::Test::Strace->new($worker, '-P', $t->{trail},
                '-e', "trace=$name", '-e', "inject=$error:when=$n");
            my @status = map { call() } 1 .. ($n + 1) / 2 + 2;
            $s->stop;
            ok !(grep { !/\A(?:200|502|503)\z/ } @status),
                "$error:when=$n: answered" or diag "@status";
        }
        reads($error);
        recovers($error);
    }
    ok scalar(glob "$t->{trail}.abandoned-*"), 'what was lost is set aside';

    # an answer that the trail cannot hold is no success
    my $s = Proctor::Test::Strace->new($worker, '-1', '-P', $t->{trail},
        '-e', 'trace=write', '-e', 'inject=write:error=EIO:when=1');
    my $rid = Proctor::Test::rid();
    my $r = $t->request(DELETE => "$base/e/", key => 'admin', rid => $rid);
    $s->stop;
    is $r->{status}, 502, 'an outcome that cannot be written is no success';
    my $record = $t->audit($rid);
    is "$record->{result} $record->{status} $record->{upstream_status}",
        'ok 502 200', '... and is written later, as it was';
    $t->stop;
}


# a disk that takes its time
SKIP: {
    skip $untraced, 1 if $untraced;

    begin(trail => 'fsync=group');
    call();
    my ($worker) = $t->nginx->workers;
    my $s = Proctor::Test::Strace->new($worker, '-e', 'trace=fdatasync',
        '-e', 'inject=fdatasync:delay_enter=2000000');

    my $late = Proctor::Test::rid();
    my $conn = $t->connect;
    $conn->send($t->bytes(DELETE => "$base/e/", key => 'admin', rid => $late));

    # what follows its request keeps nginx from ending it with its answer
    my $slow_to_end = Proctor::Test::rid();
    my $lingers = $t->connect;
    $lingers->send($t->bytes(DELETE => "$base/e/", key => 'admin',
        rid => $slow_to_end, headers => ['Connection', 'close']) . 'x');

    my $left = Proctor::Test::rid();
    my $leaves = $t->connect;
    $leaves->send($t->bytes(DELETE => "$base/e/", key => 'admin',
        rid => $left));

    # others are not moved
    my @took;
    for (1 .. 40) {
        my $begin = time;
        is $t->request(GET => "$base/e/", key => 'admin')->{status}, 200,
            'a read' if $_ == 1;
        $t->request(GET => "$base/e/", key => 'admin') if $_ > 1;
        push @took, time - $begin;
        $leaves->reset if $_ == 5;
    }
    @took = sort { $a <=> $b } @took;
    cmp_ok $took[-2], '<', 0.25 * $slow, 'a slow disk does not slow reads';

    is $conn->answer->{status}, 503, 'a durable call is refused';
    $conn->close;
    is call(), 503, '... and the next, which waits for its turn';
    is $lingers->answer->{status}, 503, '... and one that is slow to end';
    $s->stop;

    my $record = $t->audit($late);
    is "$record->{kind} $record->{result} $record->{reason}",
        'outcome timeout audit_late', 'late on the disk: its outcome says so';
    $record = $t->audit($slow_to_end);
    is "$record->{kind} $record->{result} $record->{reason}",
        'outcome timeout audit_late', '... before its request has ended';
    $lingers->close;
    $record = $t->audit($left);
    like "$record->{kind} " . ($record->{result} // ''),
        qr/\A(?:outcome client_gone|denied )\z/, 'left: so does that';
    is scalar($t->upstream($_)), 0, '... never forwarded' for $late, $left,
        $slow_to_end;
    recovers('a slow disk');
    $t->stop;
}

done_testing();
