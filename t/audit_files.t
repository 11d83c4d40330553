use strict;
use warnings;

# The trail's files: made, moved, unlinked, shrunk, replaced, torn, and left
# behind by processes that were killed.  Nothing is lost, nothing is written to
# where nobody looks, and whoever verifies is content.

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


sub lines_of { my @lines = split /^/m, slurp($_[0]); return @lines }

sub start_of { JSON::PP->new->decode((lines_of($_[0]))[0]) }

sub call {
    my ($t) = @_;
    my $r = $t->request(DELETE => "$base/e/", key => 'admin');
    return $r->{status};
}

sub verified {
    my ($t, $name) = @_;
    my ($status, $text) = Proctor::Test::Trail::whole($t);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is $status, 0, $name or diag $text;
}


# what a configuration may say, and what a look at it leaves behind
{
    my $t = Proctor::Test->new(stopped => 1);
    my $conf = $t->conf;
    my $trail = $t->{trail};
    $t->write_file('empty', '');

    my $says = sub {
        my ($directive) = @_;
        $t->nginx->write_conf($conf =~ s/proctor_audit [^;]*;/$directive/r);
        return $t->nginx->test;
    };

    for my $case (
        ["proctor_audit $trail;", qr/nothing is signed/],
        ["proctor_audit $trail fsync=always timeout=500ms checkpoint=2s;"],
        ["proctor_audit $trail fsync=never stream=off origin=a.b-c;"],
    ) {
        my ($fine, $said) = $says->($case->[0]);
        ok $fine, "fine: $case->[0]" or diag $said;
        like $said, $case->[1], '... with a warning' if $case->[1];
    }

    for my $case (
        ["proctor_audit $trail fsync=maybe;", qr/invalid parameter/],
        ["proctor_audit $trail timeout=0;", qr/invalid parameter/],
        ["proctor_audit $trail timeout=61s;", qr/invalid parameter/],
        ["proctor_audit $trail checkpoint=x;", qr/invalid parameter/],
        ["proctor_audit $trail key=;", qr/invalid parameter/],
        ["proctor_audit $trail odd=1;", qr/invalid parameter/],
        ["proctor_audit $trail stream=on;", qr/needs a proctor_redis/],
        ["proctor_audit $trail 'origin=a b';", qr/cannot be the origin/],
        ["proctor_audit $trail key=nowhere;", qr/nowhere/],
        ["proctor_audit $trail key=$t->{home}/empty;", qr/empty/],
        ["proctor_audit /nowhere/at/all;", qr/has no directory/],
        ["proctor_audit /proc/self/audit fsync=x;", qr/invalid/],
        ["proctor_audit $trail; proctor_audit $trail;", qr/duplicate/],
    ) {
        my ($fine, $said) = $says->($case->[0]);
        ok !$fine, "refused: $case->[0]";
        like $said, $case->[1], '... and why';
    }

    # file systems of other machines, as statfs() names them
    my $binary = Proctor::Test::Nginx::binary();
    my $script = "$t->{home}/nginx-elsewhere";
    for my $case (Proctor::Test::Strace::missing() ? () : (
        [NFS => 0x6969], [FUSE => 0x65735546], [CIFS => 0xff534d42],
        ['9P' => 0x01021997], [Ceph => 0x00c36400], ['' => 0xef53],
    )) {
        my ($name, $magic) = @$case;
        $t->write_file('nginx-elsewhere', <<"EOT");
#!/bin/sh
exec strace -qq -o /dev/null -e trace=statfs \\
    -e 'inject=statfs:poke_exit=\@arg2=@{[ unpack 'H*', pack 'Q<', $magic ]}' \\
    $binary "\$@"
EOT
        chmod 0755, $script;
        local $ENV{TEST_NGINX_BINARY} = $script;
        my ($fine, $said) = $says->("proctor_audit $trail;");
        is $fine, !$name, $name ? "refused: on $name" : 'fine: on ext4'
            or diag $said;
        like $said, qr/is on $name, which does not promise/, '... and why'
            if $name;
    }

    is_deeply [glob "$trail*"], [], 'a look leaves no file behind';
    $t->sandbox->stop;
    delete $t->{nginx}{pid};
    $t->stop;
}


my $t = Proctor::Test::Trail::fixture(workers => 2);
my $file = $t->{trail};
push @{ $t->nginx->{expected} },
    qr/is a new file: (?:unlinked|shrunk|replaced|abandoned)/,
    qr/exited on signal 9/;
$t->sandbox->behave($ok);

{
    my $start = start_of($file);
    is $start->{kind}, 'start', 'a file begins with what it is';
    is $start->{reason}, 'new', '... the first';
    is $start->{previous}, undef, '... after none';
    like $start->{origin}, qr{\Agw\.test/\Q$start->{file}\E\z}, '... of whom';
    is sprintf('%o', (stat $file)[2] & 0777), '640', '... for few to read';
    is call($t), 200, 'it is written to';
}


# moved, with and without a signal; then the pin goes
for my $how ('USR1', 'alone') {
    my $before = start_of($file)->{file};
    verified($t, 'whole before it is moved');
    rename $file, "$file.$how";
    $t->nginx->signal('USR1') if $how eq 'USR1';
    wait_until('another file', sub { -s $file });

    my $start = start_of($file);
    is $start->{reason}, 'moved', "moved, $how: another is begun";
    is $start->{previous}{file}, $before, '... that names the one before';
    cmp_ok $start->{previous}{size}, '>', 0, '... and what was sealed of it';
    is call($t), 200, '... and is written to';
    wait_until('the end of its seal', sub { !-e "$file.$before.open" });
    verified($t, '... and both are whole');
}

# moved while nobody calls, and at once again
{
    rename $file, "$file.a";
    is call($t), 200, 'a call finds no file, and makes one';
    rename $file, "$file.b";
    is call($t), 200, '... twice';
    is start_of($file)->{previous}{file}, start_of("$file.b")->{file},
        '... which name each other';
    is start_of("$file.b")->{previous}{file}, start_of("$file.a")->{file},
        '... all of them';
    verified($t, '... and all are whole');
}


# logrotate's `create`
{
    rename $file, "$file.c";
    close do { open my $fh, '>', $file; $fh };
    is call($t), 200, 'an empty file is no file of ours';
    is start_of($file)->{reason}, 'moved', '... and makes place';
    verified($t, '... all are whole');
}


# unlinked: what it held is kept
{
    my $id = start_of($file)->{file};
    my @before = lines_of($file);
    unlink $file;
    is call($t), 200, 'unlinked: the next call has a file';
    is start_of($file)->{reason}, 'unlinked', '... that says why';
    my $kept = "$file.unlinked-$id";
    wait_until('what was kept', sub { -e $kept });
    is_deeply [(lines_of($kept))[0 .. $#before]], \@before,
        '... and what was there is there';
    verified($t, '... and all are whole');
}


# shrunk: set aside; what is missing is missing
for my $to (0, 500) {
    call($t) for 1 .. 3;
    my $id = start_of($file)->{file};
    my $records = () = slurp($file) =~ /\n/g;
    wait_until('a checkpoint over all of it, that all workers know of', sub {
        $t->request(GET => '/checkpoint')->{body} =~ m{/$id\n$records\n};
    });
    truncate $file, $to;
    is call($t), 200, "cut to $to bytes: the next call has a file";
    # the sealer may have set it aside before this call came, by another name
    my ($next) = grep { ($_->{previous}{file} // '') eq $id }
        map { -s $_ ? start_of($_) : () } Proctor::Test::Trail::files($t);
    like $next->{reason}, qr/\A(?:shrunk|new|abandoned)\z/,
        '... that says why';
    is $next->{previous}{size}, $records, '... and what there was';
    if ($to) {
        ok scalar(grep { -e } "$file.shrunk-$id", "$file.abandoned-$id"),
            '... what is left is evidence';
        isnt scalar(Proctor::Test::Trail::verify($t)), 0,
            '... and nobody is told that all is well';
    }
    unlink "$file.shrunk-$id", "$file.abandoned-$id";
    Proctor::Test::Trail::begin($t);
}


# replaced, by anything and by a copy of itself
for my $how ('anything', 'copy') {
    call($t);
    my $text = $how eq 'copy' ? slurp($file) : "anything\n";
    open my $fh, '>', "$file.new";
    print {$fh} $text;
    close $fh;
    rename $file, "$file.$how";
    rename "$file.new", $file;
    is call($t), 200, "replaced by $how: the next call has a file";
    is start_of($file)->{reason}, 'replaced', '... that says why';
    my @aside = glob "$file.replaced-*";
    is @aside, 1, '... what it was replaced by is set aside';
    is slurp($aside[0]), $text, '... as it was';
    unlink @aside;
    verified($t, '... and all that is ours is whole');
}


# a line that was begun by a process that died
for my $tail ('{"v":1,"time":"20', 'x' x 5000, '{}') {
    open my $fh, '>>', $file;
    print {$fh} $tail;
    close $fh;
    is call($t), 200, 'a call after a torn line';
    is call($t), 200, '... and another';
    verified($t, '... the line is closed, named, and excused');
    ok scalar(grep { /\Q$tail\E/ } lines_of($file)), '... and kept';
}


# a checkpoint that was begun by a process that died, or on a full disk
for my $length (1, 40, 90, 110, 150, 200) {
    my $note = slurp("$file.checkpoints") =~ s/.*(?=^gw\.test)//smr;
    open my $fh, '>>', "$file.checkpoints";
    print {$fh} substr $note, 0, $length;
    close $fh;
    is call($t), 200, "a call after $length bytes of a checkpoint";
    verified($t, '... what is no checkpoint is gone, the others are whole');
    is slurp("$file.checkpoints") =~ s/^gw\.test.*?^\xe2\x80\x94 [^\n]*\n//smgr,
        '', '... and nothing else is there';
}


# a pin that its maker has not linked to FILE yet, or that came too late for it
{
    my $own = start_of($file)->{file};
    my $id = 'ab' x 16;
    open my $fh, '>', "$file.$id.open";
    print {$fh} +(lines_of($file))[0] =~ s/$own/$id/gr;
    close $fh;
    is call($t), 200, 'a call beside a file that is not one yet';
    rename $file, "$file.pin";
    is call($t), 200, '... another file is made';
    my $start = start_of($file);
    is $start->{previous}{file}, $own, '... which does not follow it';
    wait_until('it to be signed for',
        sub { slurp("$file.checkpoints") =~ m{/$start->{file}\n} });
    unlike slurp("$file.checkpoints"), qr/$id/, '... nothing is signed of it';
    ok -e "$file.$id.open", '... its maker still finds it';
    unlink "$file.$id.open";
    verified($t, '... and all is whole');
}


# workers that are killed with a call under way
for my $round (1 .. 3) {
    $t->sandbox->clear;
    $t->sandbox->behave({ %$ok, times => 1, hold => 'killed' });
    my $rid = Proctor::Test::rid();
    my $conn = $t->connect;
    $conn->send($t->bytes(DELETE => "$base/e/", key => 'admin', rid => $rid));
    $t->sandbox->wait(held => 1);
    kill 'KILL', $t->nginx->workers;
    $t->sandbox->release('killed');
    $conn->close;
    $t->sandbox->behave($ok);

    my ($intent) = grep { ($_->{rid} // '') eq $rid }
        Proctor::Test::Trail::records($t);
    wait_until('the outcome', sub {
        grep { $_->{kind} eq 'outcome' && $_->{id} eq $intent->{id}
            && $_->{result} eq 'unknown' } Proctor::Test::Trail::records($t);
    });
    is call($t), 200, 'killed workers: what they left is unknown, all goes on';
    verified($t, '... and whole');
}


# all of it is killed, with a line half written; it starts again
{
    my $nginx = $t->nginx;
    my $end = sub {
        my @all = ($nginx->{pid}, $nginx->workers);
        kill 'KILL', @all;
        waitpid delete $nginx->{pid}, 0;
        wait_until('the workers to be gone',
            sub { !grep { -e "/proc/$_" } @all });
    };

    $end->();
    open my $fh, '>>', $file;
    print {$fh} '{"v":1,"time":"2026-01-01T00:00:00.000000Z","kind":"int';
    close $fh;
    is Proctor::Test::Trail::verify($t), 2, 'a torn tail is no more than that';
    $nginx->start($t->port);
    verified($t, 'after the start it is closed, named, and excused');
    is call($t), 200, '... and all goes on';

    # moved while nobody runs: the chain holds
    $end->();
    rename $file, "$file.down";
    $nginx->start($t->port);
    is start_of($file)->{previous}{file}, start_of("$file.down")->{file},
        'moved while nobody ran: the next one names it';
    verified($t, '... and all are whole');

    # edited while nobody runs
    $end->();
    open $fh, '+<', $file;
    print {$fh} '{"v":2';
    close $fh;
    push @{ $nginx->{expected} }, qr/not the one that was sealed/;
    $nginx->start($t->port);
    wait_until('the alert', sub {
        $nginx->log_lines(qr/not the one that was sealed/);
    });
    wait_until('another file', sub { -s $file && start_of($file)->{v} == 1
        && start_of($file)->{reason} eq 'abandoned' });
    isnt Proctor::Test::Trail::verify($t), 0, 'an edited file is named';
    is call($t), 200, '... and nobody goes on writing to it';
    Proctor::Test::Trail::begin($t);
}


# under load: moved, signalled, reloaded
{
    my @clients = map {
        my $pid = fork // die "fork: $!\n";
        unless ($pid) {
            my $told = 0;
            my $end = time + 6;
            while (time < $end) {
                my $r = $t->request(DELETE => "$base/e/", key => 'admin');
                $told++ if $r && $r->{status} == 200;
                POSIX::_exit(1) if !$r || $r->{status} != 200;
            }
            POSIX::_exit($told > 10 ? 0 : 2);
        }
        $pid;
    } 1 .. 4;

    for my $n (1 .. 20) {
        sleep 0.2;
        rename $file, "$file.load$n";
        $t->nginx->signal('USR1') if $n % 2;
        $t->nginx->reload if $n == 7 || $n == 14;
    }
    my @status = map { waitpid $_, 0; $? } @clients;
    is_deeply \@status, [0, 0, 0, 0], 'moved under load: every call went well';

    my @sent = map { Proctor::Test::Sandbox::values_of($_, 'X-Request-Id') }
        grep { $_->{method} eq 'DELETE' } $t->sandbox->log;
    my %there = map { ($_->{rid} // '') => 1 } Proctor::Test::Trail::records($t);
    my @load = grep { $there{$_} } @sent;
    my @faults = Proctor::Test::Trail::faults($t, sent => \@load);
    is_deeply \@faults, [], '... one outcome each' or diag "@faults[0..3]";
    verified($t, '... and the whole chain is whole');
    wait_until('the pins to go', sub { 1 == (() = glob "$file.*.open") }, 40);
    pass '... sealed to the end';
}

$t->done;
