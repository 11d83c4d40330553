use strict;
use warnings;

# The trail's disk is full, read-only, fails, is limited or gone: durable
# operations are refused and do not happen, reads go on, and when the disk is
# back all is well without a restart.  A slow disk is t/audit_slow.t.
#
# PROCTOR_LONG=1: each of the first 50 writes and of the first 50 fdatasyncs,
# a write cut after each byte.

use File::Temp ();
use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::Strace;
use Proctor::Test::Trail;
use Proctor::Test::Wait qw(slurp wait_until);
use Test::More;

my $base = '/api/v2/experiments';
my $ok = { status => 200, json => { id => 'exp_1' }, times => 0 };
my $untraced = Proctor::Test::Strace::missing();
my $long = $ENV{PROCTOR_LONG};
my $faults = qr/proctor audit: .* failed|is a new file: (?:abandoned|unlinked)/;
my ($t, @told);


sub begin {
    my (%args) = @_;

    @told = ();
    $t = Proctor::Test::Trail::fixture(%args, trail => 'timeout=5s');
    push @{ $t->nginx->{expected} }, $faults;
    $t->sandbox->behave($ok);
}


# A durable call: its status, 0 when there was no answer.
sub call {
    my ($rid) = @_;
    my $r = $t->request(DELETE => "$base/e/", key => 'admin', rid => $rid)
        or return 0;

    push @told, $r->{rid} if $r->{status} == 200;
    if ($r->{status} == 503) {
        my @wrong = $t->wrong($r, 503);
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


# What must hold when the disk is back: of all that the sandbox received.
sub recovers {
    my ($name, %args) = @_;

    wait_until("calls to go well again", sub { call() == 200 });
    my @sent = map { Proctor::Test::Sandbox::values_of($_, 'X-Request-Id') }
        grep { $_->{method} eq 'DELETE' } $t->sandbox->log;
    my @faults = Proctor::Test::Trail::faults($t, sent => \@sent,
        told => \@told);
    is_deeply \@faults, [], "$name: nothing happened unaudited"
        or diag scalar(@sent), ' calls';
    my ($status, $text) = Proctor::Test::Trail::whole($t);
    is $status, 0, '... the trail is whole' or diag $text;
}


# A directory with a file system of its own; undef when there can be none.
sub mounted {
    my (@how) = @_;

    my $dir = File::Temp->newdir('proctor-disk-XXXXXXXX', TMPDIR => 1);
    return undef if system("mount @how $dir 2>/dev/null");
    chmod 0755, $dir;
    return $dir;
}

sub unmount { system('umount', '-l', "$_[0]") }


# a full disk
SKIP: {
    my $dir = mounted('-t tmpfs -o size=64k tmpfs')
        or skip 'a file system of its own needs root', 1;

    begin(dir => "$dir");
    my ($n, $status) = (0, 200);
    $status = call() while $status == 200 && ++$n < 500;
    isnt $status, 200, 'a full disk' or diag $n;
    reads('full');
    isnt call(), 200, '... stays full';
    system("mount -o remount,size=16m $dir");
    recovers('full');
    $t->stop;
    unmount($dir);
}


# a disk on which an error has made all read-only: it stays so until nobody has
# a file open there
SKIP: {
    my $image = File::Temp->new;
    skip 'mkfs.ext4 cannot be used here', 1
        if system("truncate -s 8M $image && mkfs.ext4 -q -F $image 2>/dev/null");
    my $dir = mounted("-o loop $image")
        or skip 'there is no loop device', 1;

    begin(dir => "$dir");
    is call(), 200, 'a disk';
    skip 'it cannot be made read-only', 1
        if system("mount -o remount,abort $dir 2>/dev/null");
    is call(), 503, '... that is read-only';
    reads('read-only');
    is call(), 503, '... stays read-only';
    $t->stop;
    unmount($dir);

    is system("mount -o loop $image $dir"), 0, '... is mounted again';
    isnt scalar(Proctor::Test::Trail::verify($t)), 1, '... as it was left';
    my @sent = map { Proctor::Test::Sandbox::values_of($_, 'X-Request-Id') }
        grep { $_->{method} eq 'DELETE' } $t->sandbox->log;
    is_deeply [grep { /sent without/ } Proctor::Test::Trail::faults($t,
        sent => \@sent)], [], '... nothing happened unaudited';
    unmount($dir);
}


# its directory is read-only, then what it was: no descriptor knows
SKIP: {
    my $dir = mounted('-t tmpfs tmpfs')
        or skip 'a file system of its own needs root', 1;

    begin(dir => "$dir");
    is call(), 200, 'a directory';
    is system("mount -t tmpfs -o ro tmpfs $dir"), 0, '... that is read-only';
    is call(), 503, '... is not written to';
    reads('read-only');
    unmount($dir);
    recovers('read-only');
    $t->stop;
    unmount($dir);
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


# a limit of the process's cuts a write after any byte: no signal ends it
SKIP: {
    begin();
    my ($worker) = $t->nginx->workers;
    my $n = 0;
    my $rid = sub { sprintf 'cut-%06d', ++$n };    # so lines are of one length
    call($rid->());
    my ($intent, $outcome) = map { length } (split /^/m, slurp($t->{trail}))[1, 2];
    my $room = $intent + $outcome;
    my $limit = sub {
        return system('prlimit', '--pid', $worker, "--fsize=$_[0]:");
    };
    skip 'prlimit cannot be used here', 1 if $limit->('unlimited');

    # a line that lacks no more than its newline is the one that is hardest
    my @cuts = $long ? (0 .. $room - 2)
        : ((map { 61 * $_ } 0 .. $room / 61 - 1), $intent - 2 .. $intent + 1,
            $room - 3 .. $room - 2);
    my (%status, $wrong);
    for my $cut (@cuts) {
        $limit->((-s $t->{trail}) + $cut);
        $status{ call($rid->()) }++;
        $limit->('unlimited');
        $wrong++ if call($rid->()) != 200;
    }
    is_deeply [sort keys %status], [502, 503], 'a write that is cut, after '
        . @cuts . ' numbers of bytes: refused, or no success';
    is $wrong // 0, 0, '... and the next call goes well';
    is join(' ', $t->nginx->workers), $worker, '... and nobody ended';

    $limit->(-s $t->{trail});
    is call(), 503, 'a limit that stays';
    reads('a limit');
    $limit->('unlimited');
    recovers('a limit');
    $t->stop;
}


# One call after the other until the N-th system call of a thread has failed:
# what they were told, and the system call that failed.
sub until_injected {
    my ($which, $error, $n) = @_;

    my ($name) = $error =~ /\A(\w+)/;
    my ($worker) = $t->nginx->workers;
    my $s = Proctor::Test::Strace->new($worker, $which, '-P', $t->{trail},
        '-e', "trace=$name", '-e', "inject=$error:when=$n");
    my (@status, @calls);
    do {
        push @status, call();
        @calls = $s->calls;
    } until @status > 2 * $n + 4 || grep { $_->{injected} } @calls;
    $s->stop;

    return (\@status, grep { $_->{injected} } @calls);
}


# the N-th write, the N-th fdatasync: of those who write intents, and of the
# event loop, which writes outcomes
SKIP: {
    skip $untraced, 1 if $untraced;

    my @ns = $long ? (1 .. 50) : (1, 2, 3, 7);

    for my $case (
        ['-T', 'write:error=EIO',       503],
        ['-T', 'write:error=ENOSPC',    503],
        ['-T', 'write:error=EDQUOT',    503],
        ['-T', 'write:error=EROFS',     503],
        ['-T', 'fdatasync:error=EIO',   503],
        ['-1', 'write:error=EIO',       502],
        ['-1', 'write:error=ENOSPC',    502],
    ) {
        my ($which, $error, $wanted) = @$case;
        # of one thread, or each would count for itself
        begin(main => 'thread_pool default threads=1;');
        my $of = $which eq '-T' ? 'an intent' : 'an outcome';
        my @wrong;

        for my $n (@ns) {
            my ($status, $failed) = until_injected($which, $error, $n);
            my $last = pop @$status;
            push @wrong, "$n: never" if !$failed;
            push @wrong, "$n: @$status" if grep { $_ != 200 } @$status;
            push @wrong, "$n: $last" if $last != $wanted;
            my $next = call();
            push @wrong, "$n: then $next" if $next != 200;
        }
        is_deeply \@wrong, [], "$error of $of, each of @ns: $wanted, then 200";
        reads($error);
        recovers($error);

        my $aside = () = glob "$t->{trail}.abandoned-*";
        is $aside, $error =~ /fdatasync/ ? scalar(@ns) : 0,
            '... what the disk has lost is set aside, and nothing else';
        $t->stop;
    }
}


# an answer that the trail cannot hold is no success
SKIP: {
    skip $untraced, 1 if $untraced;

    begin();
    my ($worker) = $t->nginx->workers;
    my $s = Proctor::Test::Strace->new($worker, '-1', '-P', $t->{trail},
        '-e', 'trace=write', '-e', 'inject=write:error=EIO:when=1');
    my $rid = Proctor::Test::rid();
    my $r = $t->request(DELETE => "$base/e/", key => 'admin', rid => $rid);
    $s->stop;
    is $r->{status}, 502, 'an outcome that cannot be written is no success';
    my $record = $t->audit($rid);
    is "$record->{result} $record->{status} $record->{upstream_status}",
        'ok 502 200', '... and is written later, as it was';

    # a signal is no failure
    $s = Proctor::Test::Strace->new($worker, '-P', $t->{trail},
        '-e', 'trace=write', '-e', 'inject=write:error=EINTR:when=1');
    is call(), 200, 'a write that a signal interrupts is made again';
    ok scalar(grep { $_->{injected} } $s->calls), '... it was interrupted';
    $s->stop;
    recovers('interrupted');
    $t->stop;
}


# the sealer's fdatasync fails: what it would sign for next may be lost, too
SKIP: {
    skip $untraced, 1 if $untraced;

    begin();
    is call(), 200, 'a call that is sealed';
    Proctor::Test::Trail::whole($t);
    my $before = slurp($t->{trail});
    my $notes = slurp("$t->{trail}.checkpoints");

    # which has opened it by its pin
    my ($worker) = $t->nginx->workers;
    my ($pin) = glob "$t->{trail}.*.open";
    my $s = Proctor::Test::Strace->new($worker, '-T', '-P', $pin,
        '-e', 'trace=fdatasync', '-e', 'inject=fdatasync:error=EIO:when=1');
    is $t->request(GET => "$base/e/", key => 'admin')->{status}, 200, 'a read';
    wait_until('the sealer', sub { grep { $_->{injected} } $s->calls });
    my $aside = wait_until('another file', sub {
        (glob "$t->{trail}.abandoned-*")[0];
    });
    $s->stop;

    like slurp($aside), qr/\A\Q$before\E/, '... which is set aside';
    is substr(slurp("$t->{trail}.checkpoints"), 0, length $notes), $notes,
        '... with what was signed of it';
    recovers('a sealer that cannot sync');
    like slurp($t->{trail}), qr/\A.*"reason":"abandoned"/,
        '... in another file';
    $t->stop;
}

done_testing();
