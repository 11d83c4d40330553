# proctor audit: how it is called, keys, who did what, the end of a trail,
# proofs of single records, trails of several files, and what a crash leaves.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Select;
use JSON::PP qw(decode_json encode_json);
use Proctor::Test::Verifier;
use Test::More;

my $root    = abs_path(dirname(__FILE__) . '/..');
my $command = $ENV{TEST_PROCTOR_COMMAND} // "$root/build/proctor";
my $dir     = tempdir(CLEANUP => 1);
my $name    = 'gw1.example/audit';

sub slurp { Proctor::Test::Verifier::read_file(@_) }
sub spew  { Proctor::Test::Verifier::write_file(@_) }

# Runs `proctor audit`: exit code, what it said and what it complained about.
sub audit {
    my @args = @_;

    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        open STDOUT, '>', "$dir/out" or die;
        open STDERR, '>', "$dir/err" or die;
        exec $command, 'audit', @args or die "$command: $!\n";
    }
    waitpid $pid, 0;
    my $code = $? & 127 ? "signal " . ($? & 127) : $? >> 8;
    return ($code, slurp("$dir/out"), slurp("$dir/err"));
}


# called wrongly: 4, which no trail means
for (
    ['nothing',             'needs a verb',           []],
    ['a strange verb',      'needs a verb.*: forge',  ['forge']],
    ['verify alone',        'too many or too few',    ['verify']],
    ['who without a trail', 'too many or too few',    [qw(who e1)]],
    ['tail of two',         'too many or too few',    [qw(tail a b)]],
    ['a strange option',    'no such option.*--keys', [qw(verify --keys a b)]],
    ['an option alone',     'no such option.*--key',  [qw(verify a --key)]],
    ['another verb\'s',     'no such option.*-f',     [qw(verify -f a)]],
    ['no file',             'No such file',           ['verify', "$dir/none"]],
    ['no such key',         'No such file',
        ['verify', '/dev/null', '--key', "$dir/none"]],
    ['no key',              'line 1 is no key',
        ['verify', '/dev/null', '--key', $0]],
    ['a bad number',        'named by its number',    ['prove', 'x', $0]],
    ['record 0',            'named by its number',    ['prove', '0', $0]],
    ['a bad name',          'a name is letters',      ['key', "$dir/x", 'a b']],
    ['a folder that is not there', 'No such file',
        ['key', "$dir/none/key", 'gw']],
) {
    my ($what, $complaint, $args) = @$_;
    my ($code, $out, $err) = audit(@$args);
    is $code, 4, "$what: exit code 4";
    like $err, qr/$complaint/s, '... says why';
    is $out, '', '... and nothing else';
}


# keys
my $key;
{
    my ($code, $out, $err) = audit('key', "$dir/key.pem", $name);
    is $code, 0, 'a key';
    like $out, qr{\A\Q$name\E\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}\n\z},
        '... whose verifier is printed';
    $key = $out;
    spew("$dir/key.pub", $key);
    chomp $key;
    is +(stat "$dir/key.pem")[2] & 0777, 0600, '... for its owner alone';
    like slurp("$dir/key.pem"), qr/BEGIN PRIVATE KEY/, '... in PEM';

    my $before = slurp("$dir/key.pem");
    ($code, $out) = audit('key', "$dir/key.pem", $name);
    is "$code $out", "0 $key\n", 'a second time: the same';
    is slurp("$dir/key.pem"), $before, '... nothing was written';
    ($code, $out, $err) = audit('key', $0, $name);
    is $code, 4, 'a file that holds no key';
    like $err, qr/is no private key/, '... says so';
}


# a trail, written by the test: what README says of the format is enough
my $time = 0;

sub line {
    my ($kind, @members) = @_;

    my $at = sprintf '2026-01-01T00:%02d:%02d.000000Z', $time / 60, $time % 60;
    $time++;
    my $record = qq({"v":1,"time":"$at","kind":"$kind");
    while (my ($member, $value) = splice @members, 0, 2) {
        $record .= qq(,"$member":) . JSON::PP->new->ascii->canonical
            ->allow_nonref->encode($value);
    }
    return "$record}\n";
}

my @alice = (team => 'nlp', key => 'k-a', actor => 'alice@example.com');
my @bob   = (team => 'ops', key => 'k-b', actor => 'bob@example.com');
my $worker = '00000000000000aa';

sub intent {
    my ($n, $operation, $who, %more) = @_;
    return line('intent', id => "$worker$n", contract => 'respan',
        operation => $operation, @$who, client => '192.0.2.7',
        %more);
}

sub outcome {
    my ($n, $result, $status, %more) = @_;
    return line('outcome', id => "$worker$n", result => $result,
        status => $status, %more);
}

sub start {
    my ($file, $previous) = @_;
    my $id = sprintf '%032x', $file;
    return line('start', file => $id, origin => "$name/$id",
        reason => $previous ? 'moved' : 'new', previous => $previous);
}

# writes a file and a checkpoint of its first lines; the head of it
sub sealed {
    my ($file, $id, $lines, $n) = @_;

    $n //= @$lines;
    my @leaves = map { s/\n\z//r } @$lines;
    @leaves = map { Proctor::Test::Verifier::leaf($_) } @leaves;
    $id = sprintf '%032x', $id;
    spew($file, join '', @$lines);
    spew("$file.checkpoints", Proctor::Test::Verifier::seal("$dir/key.pem", $key,
        "$name/$id", [@leaves[0 .. $n - 1]]));
    return { file => $id, size => $n, root => MIME::Base64::encode_base64(
        Proctor::Test::Verifier::root(@leaves[0 .. $n - 1]), '') };
}

my $trail = "$dir/audit.jsonl";
my %e1 = (targets => { experiment_id => 'e1' });
my @lines = (
    start(1),
    intent(1, 'experiment.create', \@alice),
    line('call', operation => 'experiment.retrieve', @bob, %e1,
        status => 200, duration_ms => 1),
    outcome(1, 'ok', 201, created => 'e1'),
    intent(2, 'experiment.update', \@bob, %e1, claimed => "eve\e[31m\"x"),
    intent(3, 'experiment.delete', \@alice,
        targets => { experiment_id => 'e2' }),
    outcome(3, 'ok', 204),
    outcome(2, 'upstream_error', 502),
    line('denied', operation => 'experiment.delete', @bob,
        client => '192.0.2.9', %e1, decision => 'refused',
        reason => 'no_right', status => 403, duration_ms => 0),
    intent(4, 'experiment.delete', \@alice, %e1),
    outcome(4, 'unknown', 0),
);

sub verify { return audit('verify', @_, '--key', "$dir/key.pub") }

{
    my $head = sealed($trail, 1, \@lines);
    my ($code, $out) = verify($trail);
    is $code, 0, 'a trail that another language has written is whole'
        or diag $out;
    like $out, qr/whole: 11 records, 11 sealed/, '... all of it';

    ($code, $out) = audit('verify', $trail);
    is $code, 0, 'without a key as well';
    like $out, qr/no signature was checked/, '... as far as can be told';
}

# who
{
    my ($code, $out) = audit('who', 'e1', $trail);
    is $code, 0, 'who: found';
    my @rows = split /\n/, $out;
    is @rows, 5, '... creation, update, denied and deletion, below a head'
        or diag $out;
    like $rows[1], qr/\A2026-01-01T00:00:01Z\s+alice\@example\.com[ ]
        \(nlp\/k-a\)\s+experiment\.create\s+ok\s+201\s+192\.0\.2\.7/x,
        '... who created it, when, from where';
    like $rows[2], qr/bob.*for eve\\u001b\[31m\\"x.*update.*upstream_error/,
        '... for whom, as was claimed, with nothing for a terminal in it';
    like $rows[3], qr/bob.*experiment\.delete\s+denied:[ ]no_right\s+403\s+
        192\.0\.2\.9/x, '... who tried to delete it';
    like $rows[4], qr/alice.*experiment\.delete\s+unknown/,
        '... and whose deletion nobody saw the end of';

    ($code, $out) = audit('who', 'e2', $trail);
    is +(() = $out =~ /\n/g), 2, 'another has its own';
    ($code, $out) = audit('who', 'e', $trail);
    is $code, 1, 'a part of an id is none';
    like $out, qr/no record names e\n/, '... says so';
}

# tail
{
    my ($code, $out) = audit('tail', $trail);
    is $code, 0, 'tail';
    is +(() = $out =~ /\n/g), 11, '... the last ten records, below a head';
    like $out, qr/experiment\.create\s+intent/, '... from the second on';
    unlike $out, qr/[^\n -~]/, '... in printable ASCII';
}

# tail -f: new records as they come, across a rotation
{
    pipe my $from, my $to or die;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        open STDOUT, '>&', $to or die;
        exec $command, qw(audit tail -f), $trail or die;
    }
    close $to;
    my $seen = '';

    my $see = sub {
        my ($what, $name) = @_;
        my $until = time + 20;
        while ($seen !~ $what && time < $until) {
            IO::Select->new($from)->can_read(1) or next;
            sysread $from, $seen, 65536, length $seen or last;
        }
        like $seen, $what, $name;
    };

    $see->(qr/unknown/, 'tail -f begins with the last records');
    open my $fh, '>>', $trail or die;
    syswrite $fh, line('call', operation => 'fresh.one', status => 200);
    $see->(qr/fresh\.one/, '... shows one that is appended');
    rename $trail, "$trail.1" or die;
    syswrite $fh, line('call', operation => 'fresh.two', status => 200);
    spew("$trail.new", join '', start(9),
        line('call', operation => 'fresh.three', status => 200));
    rename "$trail.new", $trail or die;
    $see->(qr/fresh\.two.*fresh\.three/s,
        '... the last one before a rotation, and the first one after it');
    kill TERM => $pid;
    waitpid $pid, 0;
    unlink "$trail.1";
    sealed($trail, 1, \@lines);
}

# proofs
{
    my ($code, $proof, $err) = audit('prove', 4, $trail);
    is $code, 0, 'a proof' or diag $err;
    like $proof, qr{\Ac2sp\.org/tlog-proof\@v1\nextra \S+\nindex 3\n},
        '... in the form of others';
    spew("$dir/proof", $proof);
    my @check = ('check', "$dir/proof", '--key', "$dir/key.pub");
    ($code, my $out) = audit(@check);
    is $code, 0, '... holds';
    like $out, qr/\Arecord 4 of \Q$name\E.*\n\Q${\ $lines[3]}\E\z/,
        '... and shows the record';

    my $wrong = 0;
    for my $at (0 .. length($proof) - 1) {
        next if $at % 7;
        my $bad = $proof;
        substr($bad, $at, 1) ^= chr(1 << $at % 8);
        spew("$dir/proof", $bad);
        ($code) = audit(@check);
        $wrong++ if $code ne 1;
    }
    is $wrong, 0, '... and no other text does';

    spew("$dir/proof", substr $proof, 0, -1);
    is +(audit(@check))[0], 1, '... nor one that is cut off';
    is +(audit('prove', 12, $trail))[0], 4, 'no proof of a record to come';

    my $bytes = slurp($trail);
    spew($trail, $bytes =~ s/"status":201/"status":202/r);
    is +(audit('prove', 4, $trail))[0], 1, 'no proof from a trail that differs';
    spew($trail, $bytes);

    for my $n (1 .. @lines) {
        ($code, $proof) = audit('prove', $n, $trail);
        spew("$dir/proof", $proof);
        ($code, $out) = audit(@check);
        $wrong++ if $code || $out !~ /\n\Q${\ $lines[$n - 1]}\E\z/;
    }
    is $wrong, 0, 'each record can be proved';
}

# open, and torn
{
    my @open = @lines[0 .. 9];
    sealed($trail, 1, \@open);
    my ($code, $out) = verify($trail);
    is $code, 3, 'an intent without its outcome: 3';
    like $out, qr/open: .*1 intents open/, '... says so';

    sealed($trail, 1, \@lines);
    open my $fh, '>>', $trail or die;
    print {$fh} '{"v":1,"ti';
    close $fh;
    ($code, $out) = verify($trail);
    is $code, 2, 'a torn tail: 2';
    like $out, qr/torn: record 12: /, '... says where';

    my $at = length join '', @lines;
    my $torn = '{"v":1,"ti' . outcome(9, 'ok', 200) =~ s/\n//r;
    my $named = line('torn', at => $at, bytes => length $torn,
        sha256 => Digest::SHA::sha256_hex($torn));

    for (
        ['torn, and named as such', 0, "$torn\n$named"],
        ['... with a record of another between', 0,
            "$torn\n" . line('call', status => 200) . $named],
        ['... twice', 0, "$torn\n$named$named"],
        ['torn, and another appended', 1,
            "$torn\n" . line('call', status => 200)],
        ['a torn line that is none', 1, $named],
        ['one that is another', 1, "x$torn\n$named"],
        ['an empty line', 1, "\n"],
        ['an empty line that is named', 0, "\n" . line('torn', at => $at,
            bytes => 0, sha256 => Digest::SHA::sha256_hex(''))],
    ) {
        my ($what, $want, $more) = @$_;
        spew($trail, join '', @lines, $more);
        my ($code, $out) = verify($trail);
        is $code, $want, $what or diag $out;
        my $second = Proctor::Test::Verifier::judge(join('', @lines, $more),
            [slurp("$trail.checkpoints")], '', $key);
        is $second->{code}, $want, '... says the other verifier as well';
    }

    # what was damaged when it was sealed is a crash's doing, not an editor's
    sealed($trail, 1, [@lines, "$torn\n", line('call', status => 200)]);
    is +(verify($trail))[0], 2, 'a torn line that was sealed: 2';
}

# what a line says by itself, behind the last checkpoint
for (
    ['an outcome of no intent',     outcome(8, 'ok', 200)],
    ['a second outcome',            outcome(4, 'ok', 200)],
    ['an intent that was there',    intent(3, 'x', \@bob) . outcome(3, 'ok', 1)],
    ['a second start record',       start(1)],
    ['a record that is none',       qq({"v":2}\n)],
    ['a member twice',              line('call', status => 1, status => 2)],
    ['a byte that is not ASCII',    line('call') =~ s/call/call","x":"\xc3\xa9/r],
    ['a kind that nobody knows',    line('forged')],
    ['no id',                       line('intent')],
    ['an id that is none',          line('intent', id => 'x' x 20)],
    ['more than a line can be',     line('call', detail => 'x' x 5000)],
    ['more than a piece can be',    line('call', detail => 'x' x 700_000)],
) {
    my ($what, $more) = @$_;
    sealed($trail, 1, \@lines);
    open my $fh, '>>:raw', $trail or die;
    print {$fh} $more;
    close $fh;
    my ($code, $out) = verify($trail);
    is $code, 1, $what;
    like $out, qr/tampered: record 12: /, '... is named';
}

# a read that fails, and more damage than anybody remembers, is no verdict
{
    sealed($trail, 1, \@lines);
    my ($code, $out, $err) = audit('verify', $dir);
    is $code, 4, 'a folder: 4';
    like $err, qr/Is a directory/, '... says why';

    open my $fh, '>>', $trail or die;
    print {$fh} "x\n" x 5000;
    close $fh;
    ($code, $out, $err) = verify($trail);
    is $code, 1, 'more damaged lines than fit into memory: the first is named';
    like $out, qr/record 12: unreadable/, '... though';
}

# a file that has just begun has no checkpoint yet; one of old has
{
    my $young = "$dir/young.jsonl";
    my $id = sprintf '%032x', 77;
    for (['just begun', 0, time], ['an hour old', 1, time - 3600],
        ['of tomorrow', 1, time + 86_400]) {
        my ($what, $want, $at) = @$_;
        my @at = gmtime $at;
        my $begun = sprintf '%04d-%02d-%02dT%02d:%02d:%02d.000000Z',
            $at[5] + 1900, $at[4] + 1, @at[3, 2, 1, 0];
        spew($young, start(77) =~ s/(?<="time":")[^"]+/$begun/r);
        is +(verify($young))[0], $want, "not sealed, but $what: $want";
    }

    # a name that only begins like another's is another
    spew("$dir/you.checkpoints", "no checkpoint\n");
    is +(audit('verify', $young))[0], 0, 'the checkpoints of another';
    spew("$young.checkpoints", '');
    rename $young, "$young-20260101" or die;
    spew("$young.checkpoints", "no checkpoint\n");
    is +(audit('verify', "$young-20260101"))[0], 2, 'those of a rotated file';
}

# several files
{
    my ($one, $two, $three) = map { "$dir/many.jsonl$_" } '.2', '.1', '';
    my @one = (start(11), intent(1, 'a', \@bob), intent(2, 'b', \@bob));
    my $head = sealed($one, 11, \@one);
    my @two = (start(12, $head), outcome(2, 'ok', 200));
    $head = sealed($two, 12, \@two);
    my @three = (start(13, $head), outcome(1, 'ok', 200));
    sealed($three, 13, \@three);

    my ($code, $out) = verify($three, $one, $two);
    is $code, 0, 'three files, in any order: whole' or diag $out;
    is +(() = $out =~ /whole/g), 3, '... each of them';
    ($code) = verify($one, $two);
    is $code, 3, 'the first two: an intent is open at their end';
    ($code, $out) = verify($two, $three);
    is $code, 0, 'the last two: outcomes of what was before';
    like $out, qr/1 outcomes of intents in the file before/, '... are told of';
    ($code, $out) = verify($one, $three);
    is $code, 1, 'the one between is missing';
    like $out, qr/the file before it is not among those given/, '... says so';
    ($code, $out) = verify($one, $two, $three, $two);
    is $code, 1, 'one of them twice';

    spew($one, join '', @one[0, 1], line('call', status => 1));
    spew("$one.checkpoints", '');
    ($code, $out) = audit('verify', $one, $two, $three);
    is $code, 1, 'what the next file says of one is a checkpoint, too'
        or diag $out;
    like $out, qr/many\.jsonl\.2: tampered: one of the records 1 to 3/,
        '... that names it';
}

done_testing;
