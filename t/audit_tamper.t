# A sealed trail and what can be done to it, by the files: the command and a
# verifier in another language must come to the same verdict, and to the right
# one.  Every case of a trail in memory is in t/unit/audit_tamper.c; here they
# are sampled, and all of them taken where PROCTOR_LONG is set.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Copy qw(copy);
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test::Verifier;
use Test::More;

my $root    = abs_path(dirname(__FILE__) . '/..');
my $command = $ENV{TEST_PROCTOR_COMMAND} // "$root/build/proctor";
my $maker   = ($ENV{TEST_UNIT_DIR} // "$root/build/unit") . '/audit_tamper';
my $long    = $ENV{PROCTOR_LONG};

my ($records, $every) = (1000, 37);
my $dir = tempdir(CLEANUP => 1);

sub slurp { Proctor::Test::Verifier::read_file(@_) }
sub spew  { Proctor::Test::Verifier::write_file(@_) }

# Exit code and what was said.
sub run {
    my $pid = open my $out, '-|';
    die "fork: $!\n" unless defined $pid;
    if (!$pid) {
        open STDERR, '>&', \*STDOUT or die;
        exec @_ or die "$_[0]: $!\n";
    }
    my $said = do { local $/; <$out> } // '';
    close $out;
    return ($? & 127 ? "signal " . ($? & 127) : $? >> 8, $said);
}

# A trail in a directory of its own, under the key of the first.
sub trail {
    my ($name, @plan) = @_;

    mkdir "$dir/$name" or die "$dir/$name: $!\n";
    if (-e "$dir/key.pem") {
        copy("$dir/key.pem", "$dir/$name/key.pem") or die;
    }
    my ($code, $said) = run($maker, 'write', "$dir/$name", @plan);
    die "$maker: $said" if $code;
    my ($leaves) = glob "$dir/$name/trail.jsonl.*.leaves";
    return { dir => "$dir/$name", file => "$dir/$name/trail.jsonl",
        bytes => slurp("$dir/$name/trail.jsonl"), leaves_file => $leaves,
        leaves => slurp($leaves),
        notes => slurp("$dir/$name/trail.jsonl.checkpoints") };
}

my ($code, $key) = run($command, qw(audit key), "$dir/key.pem",
    'gw1.example/audit');
is $code, 0, 'a key';
chomp $key;
spew("$dir/key.pub", "$key\n");
my ($strange_code, $strange) = run($command, qw(audit key), "$dir/strange.pem",
    'gw1.example/audit');
chomp $strange;
isnt $strange, $key, 'another key of the same name';

my $t = trail('one', $records, $every, 1);
my $u = trail('two', $records, $every, 2);
my @lines = split /(?<=\n)/, $t->{bytes};
my @other = split /(?<=\n)/, $u->{bytes};
my @notes = Proctor::Test::Verifier::notes($t->{notes});
is @lines, $records, 'records';
is @notes, int($records / $every) + 1, 'checkpoints';


# What the command says of these bytes in the place of the trail.
sub verify {
    my ($bytes, @more) = @_;

    spew($t->{file}, $bytes);
    return run($command, qw(audit verify), $t->{file}, '--key',
        "$dir/key.pub", @more);
}

# Both opinions, and whether they are the one wanted.
sub agreed {
    my ($bytes, $code, $first, $name, $notes, $leaves) = @_;

    my ($got, $said) = verify($bytes);
    my $second = Proctor::Test::Verifier::judge($bytes, $notes // \@notes,
        $leaves // $t->{leaves}, $key);
    my ($named) = $said =~ /(?:record|records) (\d+)/;

    return $got eq $code && $second->{code} == $code
        && (!$code || (($named // 0) == $first
            && $second->{first} == $first))
        || do { diag "$name: $got, $second->{code} $second->{first}: $said"; 0 };
}

# a test of many cases at once, each made when its turn comes
sub all_agreed {
    my ($name, $make, @cases) = @_;

    my $wrong = grep { !agreed(@{ $make->($_) }) } @cases;
    is $wrong, 0, "$name: " . @cases . ' cases';
}


ok agreed($t->{bytes}, 0, 0, 'whole'), 'the trail is whole, both say';


# every case that the unit test has: the second verifier comes to the same
{
    my %how = (
        delete => sub { (@lines[0 .. $_[0] - 1], @lines[$_[0] + 1 .. $#lines]) },
        double => sub { (@lines[0 .. $_[0]], @lines[$_[0] .. $#lines]) },
        swap => sub { (@lines[0 .. $_[0] - 1], @lines[$_[0] + 1, $_[0]],
            @lines[$_[0] + 2 .. $#lines]) },
        insert => sub { (@lines[0 .. $_[0] - 1], $other[1],
            @lines[$_[0] .. $#lines]) },
        splice => sub { (@lines[0 .. $_[0] - 1], $other[$_[0]],
            @lines[$_[0] + 1 .. $#lines]) },
        graft => sub { (@lines[0 .. $_[0] - 1], @other[$_[0] .. $#other]) },
    );
    my ($code, $said) = run($maker, 'cases', $records, $every, 1);
    is $code, 0, 'the cases';

    my ($n, %tried, %wrong) = (0);
    for my $case (split /\n/, $said) {
        my ($name, $k, $first) = split ' ', $case;
        next if $n++ % ($long ? 1 : 29);
        # another start record is another log: by its files, not by its heads
        next if $k == 0;
        my $verdict = Proctor::Test::Verifier::judge(
            join('', $how{$name}->($k)), \@notes, $t->{leaves}, undef);
        $tried{$name}++;
        $wrong{$name}++
            if $verdict->{code} != 1 || $verdict->{first} != $first;
    }
    is $wrong{$_} // 0, 0, "$_: both name the same record, $tried{$_} cases"
        for sort keys %how;

    # and so does the command, of files
    for my $name (sort keys %how) {
        my $last = $#lines - ($name eq 'swap');
        all_agreed("$name, by the command", sub {
            my ($k) = @_;
            return [join('', $how{$name}->($k)), 1,
                $name eq 'double' ? $k + 2 : $k + 1, "$name $k"];
        }, $long ? (0 .. $last) : (0, 1, 36, 37, 500, $last));
    }
}

# bits and cuts, by the second verifier: it need not read all that is before
{
    my $known = Proctor::Test::Verifier::known(\@lines, \@notes, $t->{leaves});
    my @at = (0);
    push @at, $at[-1] + length for @lines;

    my ($step, $stride) = $long ? (1, 1) : (409, 97);
    my (%tried, %wrong);
    my $count = sub {
        my ($what, $k, $bytes) = @_;
        my $verdict = Proctor::Test::Verifier::judge_after($known, $k,
            $bytes);
        $tried{$what}++;
        $wrong{$what}++ if $verdict->{code} != 1
            || $verdict->{first} != $k + 1 || $verdict->{last} != $k + 1;
    };

    my ($bit, $cut) = (0, 0);
    for my $k (0 .. $#lines) {
        # a newline that is flipped makes two lines one: so one more
        my $to = $k - $k % $every + $every + 1;
        $to = @lines if $to > @lines;
        my $bytes = substr $t->{bytes}, $at[$k], $at[$to] - $at[$k];

        for (; $bit < 8 * $at[$k + 1]; $bit += $step) {
            my $flipped = $bytes;
            substr($flipped, ($bit >> 3) - $at[$k], 1) ^= chr(1 << $bit % 8);
            $count->('bits flipped', $k, $flipped);
        }
        for (; $cut < $at[$k + 1]; $cut += $stride) {
            $count->('cut', $k, substr $bytes, 0, $cut - $at[$k]);
        }
    }
    is $wrong{$_} // 0, 0, "$_: the second verifier names the record, "
        . "$tried{$_} cases" for 'bits flipped', 'cut';
}

# bits and cuts, by both, of files
{
    my ($k, $end) = (0, 0);
    my $record = sub {
        my ($at) = @_;
        ($k, $end) = (0, length $lines[0]) if $at < $end;
        $end += length $lines[++$k] while $at >= $end;
        return $k + 1;
    };
    my $flip = sub {
        my ($bit) = @_;
        my $bytes = $t->{bytes};
        substr($bytes, $bit / 8, 1) ^= chr(1 << $bit % 8);
        return [$bytes, 1, $record->($bit >> 3), "bit $bit"];
    };
    my $each = sub {
        my ($step, $n) = @_;
        return map { $step * $_ } 0 .. ($n - 1) / $step;
    };
    my $size = length $t->{bytes};

    $end = length $lines[0];
    all_agreed('bits flipped', $flip, $each->($long ? 9_973 : 48_611, 8 * $size));
    all_agreed('bits of the first record flipped', $flip,
        $each->($long ? 1 : 53, 8 * length $lines[0]));
    all_agreed('cut', sub {
        [substr($t->{bytes}, 0, $_[0]), 1, $record->($_[0]), "cut at $_[0]"];
    }, $each->($long ? 487 : 4_801, $size));
    ok agreed(substr($t->{bytes}, 0, -1), 1, $records, 'the last newline'),
        'the last newline is one of the sealed bytes';
}


# without the notes of leaves: between which two checkpoints it is
{
    my ($wrong, $tried) = (0, 0);
    unlink $t->{leaves_file};
    for my $k (0, 1, 36, 37, 38, 500, 962, 963, 999) {
        my @bad = @lines;
        $bad[$k] =~ s/Z"/z"/;
        my ($code, $said) = verify(join '', @bad);
        my $second = Proctor::Test::Verifier::judge(join('', @bad), \@notes,
            '', $key);
        my ($first, $last) = $said =~ /records? (\d+)(?: to (\d+))?/;
        $last //= $first;
        $tried++;
        $wrong++, diag "record $k: $code $said"
            unless $code == 1 && $second->{code} == 1
            && $first == $second->{first} && $last == $second->{last}
            && $first <= $k + 1 && $last >= $k + 1
            && $last - $first < $every;
    }
    is $wrong, 0, "without notes, $tried cases: both name the same range";
    spew($t->{leaves_file}, $t->{leaves});
}


# who rewrites everything, but has not the key
{
    (my $bytes = $t->{bytes}) =~ s/alice\@/mallory\@/g;
    my @hashes = map { chomp(my $l = $_); Proctor::Test::Verifier::leaf($l) }
        split /(?<=\n)/, $bytes;
    my ($origin) = $notes[0] =~ /\A(.+)/;
    my $sealed = Proctor::Test::Verifier::seal("$dir/strange.pem", $strange,
        $origin, \@hashes);
    my $honest = "$dir/exported";
    spew($honest, $t->{notes});

    spew("$t->{file}.checkpoints", $sealed);
    spew($t->{leaves_file}, join '', @hashes);
    my ($code, $said) = verify($bytes);
    is $code, 1, 'rewritten, hashes and checkpoints too, by a stranger';
    like $said, qr/checkpoint 1 is not signed/, '... says so';
    is Proctor::Test::Verifier::judge($bytes, [$sealed], join('', @hashes),
        $key)->{code}, 1, '... as the second verifier does';

    ($code, $said) = run($command, qw(audit verify), $t->{file});
    is $code, 0, '... which without a key nobody can know';
    like $said, qr/no signature was checked/i, '... as is said';

    ($code, $said) = run($command, qw(audit verify), $t->{file},
        '--checkpoint', $honest);
    is $code, 1, '... but an exported checkpoint does';

    spew("$t->{file}.checkpoints", $t->{notes});
    my $range;
    ($code, $said) = verify($bytes);
    like $said, qr/one of the records 1 to $every: /,
        'with the old checkpoints it is named by the first that differs';

    spew($t->{leaves_file}, $t->{leaves});
    ($code, $said) = verify($bytes);
    my ($first) = grep { $lines[$_ - 1] =~ /alice/ } 1 .. @lines;
    like $said, qr/ record $first: changed/,
        'with the old notes of leaves to the record';

    unlink "$t->{file}.checkpoints";
    ($code, $said) = verify($t->{bytes});
    is $code, 1, 'checkpoints that are gone';
    like $said, qr/no checkpoint of it is signed/, '... says so';
    spew("$t->{file}.checkpoints", $t->{notes});
}

# rolled back, and its checkpoints with it
{
    my $n = 15 * $every;
    my $bytes = join '', @lines[0 .. $n - 1];
    spew("$dir/exported", $notes[20]);
    spew("$t->{file}.checkpoints", join '', @notes[0 .. 14]);

    my ($code, $said) = verify($bytes);
    like $code, qr/\A[03]\z/, 'rolled back to a checkpoint: whole as it is';
    ($code, $said) = verify($bytes, '--checkpoint', "$dir/exported");
    is $code, 1, '... but not with one that was exported since';
    like $said, qr/record @{[$n + 1]}: truncated/, '... says where';
    spew("$t->{file}.checkpoints", $t->{notes});

    # at any record, with all that stands beside it
    spew("$dir/exported", $notes[-1]);
    my ($wrong, $tried) = (0, 0);
    for my $n ($long ? (1 .. $records - 1) : map { 83 * $_ + 1 } 0 .. 11) {
        spew("$t->{file}.checkpoints", join '', @notes[0 .. $n / $every - 1]);
        spew($t->{leaves_file}, substr $t->{leaves}, 0, 32 * $n);
        my $left = join '', @lines[0 .. $n - 1];
        ($code, $said) = verify($left, '--checkpoint', "$dir/exported");
        my $second = Proctor::Test::Verifier::judge($left,
            [@notes[0 .. $n / $every - 1], $notes[-1]],
            substr($t->{leaves}, 0, 32 * $n), $key);
        my ($first, $last) = $said =~ /records? (\d+)(?: to (\d+))?: trunc/;
        $last //= $first;
        $tried++;
        $wrong++, diag "$n records: $code $said" unless $code == 1
            && $last == $n + 1 && $first == $n - $n % $every + 1
            && $second->{code} == 1 && $second->{first} == $first
            && $second->{last} == $last;
    }
    is $wrong, 0, "... and from any record: $tried cases";
    spew("$t->{file}.checkpoints", $t->{notes});
    spew($t->{leaves_file}, $t->{leaves});

    my $third = trail('three'
, 20, 10, 3);
    spew("$dir/exported", $third->{notes});
    ($code, $said) = verify($t->{bytes}, '--checkpoint', "$dir/exported");
    is $code, 1, 'an exported checkpoint of a file that is not there';
    like $said, qr/not among those given/, '... says so';
}

# a checkpoint is what it was, or none
{
    my ($wrong, $tried) = (0, 0);
    for (my $at = 0; $at < length $t->{notes}; $at += $long ? 1 : 61) {
        my $notes = $t->{notes};
        substr($notes, $at, 1) ^= chr(1 << $at % 8);
        spew("$t->{file}.checkpoints", $notes);
        my ($code, $said) = verify($t->{bytes});
        $tried++;
        $wrong++, diag "byte $at: $code $said"
            unless $code =~ /\A[12]\z/ && $said =~ /checkpoint/;
    }
    is $wrong, 0, "checkpoints changed in a bit: $tried cases";

    spew("$t->{file}.checkpoints", substr $t->{notes}, 0, -5);
    is +(verify($t->{bytes}))[0], 2, 'the last one cut off: torn';
    spew("$t->{file}.checkpoints", $t->{notes});
    is +(verify($t->{bytes}))[0], 0, 'and whole again';
}

# one file in the place of another
{
    copy($u->{file}, $t->{file}) or die;
    my ($code, $said) = run($command, qw(audit verify), $t->{file});
    is $code, 1, 'another trail of the same gateway in its place';
    like $said, qr/newest checkpoint is of another file/, '... says so';
    spew($t->{file}, $t->{bytes});
}

done_testing;
