package Proctor::Test::Verifier;

# A second opinion on audit trails: what README says of their format, read and
# written again in another language, with nothing of the gateway's code.
#
#     my $verdict = Proctor::Test::Verifier::judge($bytes, \@notes, $leaves, $key);
#     $verdict->{code}    0 whole, 1 tampered, 2 torn, 3 open intents
#     $verdict->{first}   the first bad record, counted from 1
#     $verdict->{last}    the same, or the end of the range that it is in
#
# A whole trail, and one of its many other ends after the first $n records, for
# the price of that end up to the next checkpoint:
#
#     my $trail = Proctor::Test::Verifier::known(\@lines, \@notes, $leaves);
#     my $verdict = Proctor::Test::Verifier::judge_after($trail, $n, $bytes);
#
# notes: the checkpoints as texts; leaves: the hashes noted of the leaves, one
# string; key: the verifier's text, or undef.  Hashes are Digest::SHA's,
# signatures openssl's.

use strict;
use warnings;

use Digest::SHA qw(sha256);
use File::Temp ();
use JSON::PP;
use MIME::Base64 qw(decode_base64 encode_base64);

my $json = JSON::PP->new->ascii;
my %kinds = map { $_ => 1 } qw(call denied intent outcome start torn);

# what was said of a line, a note or a signature once is true for ever
my (%read, %signed);


sub leaf { sha256("\0$_[0]") }
sub node { sha256("\1$_[0]$_[1]") }

# RFC 6962, section 2.1, of a list of leaves' hashes: from the bottom up, where
# the last of a level goes up alone if it has no partner
sub root {
    my @level = @_;

    return sha256('') unless @level;
    while (@level > 1) {
        my @up;
        while (@level >= 2) {
            push @up, node(splice @level, 0, 2);
        }
        @level = (@up, @level);
    }
    return $level[0];
}


# One more leaf on the full subtrees of those before it: [size, root] each.
sub grow {
    my ($stack, $leaf) = @_;

    push @$stack, [1, $leaf];
    while (@$stack > 1 && $stack->[-1][0] == $stack->[-2][0]) {
        my $right = pop @$stack;
        my $left = pop @$stack;
        push @$stack, [2 * $left->[0], node($left->[1], $right->[1])];
    }
}

sub top {
    my ($stack) = @_;

    my $root = $stack->[-1][1];
    $root = node($stack->[$_][1], $root) for reverse 0 .. $#$stack - 1;
    return $root;
}


# Roots at several sizes: full subtrees are worked out once.
sub roots {
    my ($leaves, @sizes) = @_;

    my (%at, @stack);
    my %wanted = map { $_ => 1 } @sizes;
    for my $i (0 .. $#$leaves) {
        grow(\@stack, $leaves->[$i]);
        $at{ $i + 1 } = top(\@stack) if $wanted{ $i + 1 };
    }
    return \%at;
}


# The record on a line, or undef: printable ASCII, JSON, of a kind we know.
sub record {
    my ($line) = @_;

    return $read{$line} if exists $read{$line};
    return $read{$line} = undef unless length $line < 4096
        && $line =~ /\A\{"v":1,"time":"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{6}Z",
            "kind":"(\w+)"[,}]/x && $kinds{$1} && $line !~ /[^ -~]/
        && $line !~ /.\{"v":1,"time":"/;
    my $record = eval { $json->decode($line) };
    # JSON::PP takes the last of two members of one name: ours have none twice
    return $read{$line} = undef unless $record;
    my @names = $line =~ /[{,]"(\w+)":/g;
    my %seen;
    return $read{$line} = undef
        if grep { $seen{$_}++ } grep { exists $record->{$_} } @names;
    return $read{$line} = $record;
}


# A checkpoint's origin, size, root; dies when the text is none.
sub checkpoint {
    my ($note) = @_;

    my ($text, $origin, $size, $root) = $note =~
        m{\A((\S[^\n]*)\n(0|[1-9]\d*)\n([A-Za-z0-9+/]{43}=)\n(?:[^\n]+\n)*)
            \n(?:\xe2\x80\x94[ ][^\n]+\n)+\z}x
        or die "no checkpoint\n";
    return { text => $text, origin => $origin, size => $size,
        root => decode_base64($root) };
}


sub is_signed {
    my ($note, $key) = @_;

    return $signed{$key}{$note} //= do {
        my ($name, $hash, $public) = split /\+/, $key, 3;
        my $text = checkpoint($note)->{text};
        my ($line) = $note =~ m{^\xe2\x80\x94 \Q$name\E (\S+)$}m;
        my $signature = decode_base64($line // '');
        my $raw = substr decode_base64($public), 1;
        my $wanted = pack 'H*', $hash;

        (substr(sha256("$name\n\1$raw"), 0, 4) eq $wanted
            && length $signature == 68
            && substr($signature, 0, 4) eq $wanted
            && encode_base64($signature, '') eq $line
            && ed25519($raw, $text, substr $signature, 4)) ? 1 : 0;
    };
}


sub ed25519 {
    my ($public, $text, $signature) = @_;

    my $dir = File::Temp->newdir;
    write_file("$dir/key", pack('H*', '302a300506032b6570032100') . $public);
    write_file("$dir/text", $text);
    write_file("$dir/signature", $signature);
    my $said = qx(openssl pkeyutl -verify -pubin -keyform DER -inkey $dir/key \\
        -rawin -in $dir/text -sigfile $dir/signature 2>&1);
    return $? == 0;
}


# A signed checkpoint of these leaves, as a gateway would write it.
sub seal {
    my ($pem, $key, $origin, $leaves) = @_;

    my ($name, $hash) = split /\+/, $key;
    my $text = "$origin\n" . @$leaves . "\n"
        . encode_base64(root(@$leaves), '') . "\n";
    my $dir = File::Temp->newdir;
    write_file("$dir/text", $text);
    my $signature =
        qx(openssl pkeyutl -sign -inkey $pem -rawin -in $dir/text);
    die "openssl: $?\n" if $?;
    return "$text\n\xe2\x80\x94 $name "
        . encode_base64(pack('H*', $hash) . $signature, '') . "\n";
}


sub judge {
    my ($bytes, $notes, $leaves, $key) = @_;

    my @lines = split /\n/, $bytes, -1;
    my $tail = pop @lines;
    my @hashes = map { leaf($_) } @lines;
    my $start = @lines ? record($lines[0]) : undef;

    return { code => 1, first => 1, last => 1 }
        unless $start && $start->{kind} eq 'start'
        && ($start->{file} // '') =~ /\A[0-9a-f]{32}\z/
        && ($start->{origin} // '') =~ m{\A[\w.:/-]*\Q$start->{file}\E\z}
        && exists $start->{previous};

    # what was signed of this log
    my @sealed;
    for my $note (@$notes) {
        my $sealed = eval { checkpoint($note) }
            or return { code => 1, first => 0, last => 0 };
        return { code => 1, first => 0, last => 0 }
            if $key && !is_signed($note, $key);
        next if $sealed->{origin} ne $start->{origin};
        push @sealed, $sealed;
    }
    return { code => 1, first => 1, last => 1 } if !@sealed && ($key || @$notes);

    my $good = 0;
    my $roots = roots(\@hashes, map { $_->{size} } @sealed);
    for my $sealed (sort { $a->{size} <=> $b->{size} } @sealed) {
        my $root = $roots->{ $sealed->{size} };
        return blame(\@hashes, $leaves, $sealed, $good)
            if !defined $root || $root ne $sealed->{root};
        $good = $sealed->{size};
    }
    return by_themselves(\@lines, $tail, $good);
}


# The first line that is not the one noted, if the notes are what was signed.
sub blame {
    my ($hashes, $leaves, $sealed, $good) = @_;

    my $end = $sealed->{size} <= @$hashes ? $sealed->{size} : @$hashes + 1;
    my @noted = unpack '(a32)*', $leaves // '';

    return first_other($hashes, \@noted, 0) if is_noted(\@noted, $sealed);
    return { code => 1, first => $good + 1, last => $end };
}

sub is_noted {
    my ($noted, $sealed) = @_;

    return @$noted >= $sealed->{size}
        && root(@$noted[0 .. $sealed->{size} - 1]) eq $sealed->{root};
}

# hashes: those of the lines after the first $n
sub first_other {
    my ($hashes, $noted, $n) = @_;

    my $i = 0;
    $i++ while $i < @$hashes && $hashes->[$i] eq $noted->[$n + $i];
    return { code => 1, first => $n + $i + 1, last => $n + $i + 1 };
}


# A whole trail: the tree before each line, and the checkpoint after it.
sub known {
    my ($lines, $notes, $leaves) = @_;

    my @lines = map { s/\n\z//r } @$lines;
    my @noted = map { leaf($_) } @lines;
    die "the trail is not whole\n" if join('', @noted) ne $leaves;

    my ($n, @stack, %after) = (0);
    for my $sealed (sort { $a->{size} <=> $b->{size} } map { checkpoint($_) }
        @$notes) {
        die "the notes are not what was signed\n"
            unless is_noted(\@noted, $sealed);
        while ($n < $sealed->{size}) {
            $after{$n} = { stack => [@stack], sealed => $sealed };
            grow(\@stack, $noted[$n++]);
        }
    }
    my %leaf;
    @leaf{@lines} = @noted;
    return { noted => \@noted, after => \%after, leaf => \%leaf };
}

sub judge_after {
    my ($trail, $n, $bytes) = @_;

    my ($stack, $sealed) = @{ $trail->{after}{$n} }{qw(stack sealed)};
    my @lines = split /\n/, $bytes, -1;
    pop @lines;
    $#lines = $sealed->{size} - $n - 1 if @lines > $sealed->{size} - $n;

    my @hashes = map { $trail->{leaf}{$_} // leaf($_) } @lines;
    if (@hashes == $sealed->{size} - $n) {
        my @all = @$stack;
        grow(\@all, $_) for @hashes;
        return { code => 0, first => 0, last => 0 }
            if top(\@all) eq $sealed->{root};
    }
    return first_other(\@hashes, $trail->{noted}, $n);
}


# Nothing that was signed is missing: what the lines say of each other.
sub by_themselves {
    my ($lines, $tail, $good) = @_;

    my (%open, %counted, %torn, $at, $number, $odd);
    ($at, $number) = (0, 0);

    for my $line (@$lines) {
        my $record = record($line);
        my $id = $record && $record->{id};
        $number++;

        if (!$record) {
            $torn{"$at " . length($line) . ' ' . unpack 'H*', sha256($line)} =
                $number;
        } elsif ($record->{kind} eq 'start' && $number > 1) {
            $odd //= $number;
        } elsif ($record->{kind} eq 'intent') {
            my ($worker, $counter) = $id =~ /\A(.{16})(.+)\z/;
            $odd //= $number
                if hex $counter <= ($counted{$worker} // -1);
            $counted{$worker} = hex $counter;
            $open{$id} = 1;
        } elsif ($record->{kind} eq 'outcome') {
            $odd //= $number unless delete $open{$id};
        } elsif ($record->{kind} eq 'torn') {
            my $name = join ' ', @$record{qw(at bytes sha256)};
            $odd //= $number unless exists $torn{$name};
            $torn{$name} = 0 if exists $torn{$name};
        }
        $at += 1 + length $line;
    }

    my ($unsealed) = sort { $a <=> $b } grep { $_ > $good } values %torn;
    my ($first) = sort { $a <=> $b } grep { defined } $odd, $unsealed;
    return { code => 1, first => $first, last => $first } if $first;
    return { code => 2, first => 0, last => 0 }
        if length $tail || grep { $_ } values %torn;
    return { code => %open ? 3 : 0, first => 0, last => 0 };
}


sub write_file {
    my ($name, $bytes) = @_;

    open my $fh, '>:raw', $name or die "$name: $!\n";
    print {$fh} $bytes;
    close $fh or die "$name: $!\n";
}


sub read_file {
    my ($name) = @_;

    open my $fh, '<:raw', $name or die "$name: $!\n";
    local $/;
    return <$fh> // '';
}


# The notes of a file of checkpoints.
sub notes {
    my ($text) = @_;

    return grep { length } split /(?<=\n)(?=[^\n]+\n\d+\n)/, $text;
}

1;
