package Proctor::Test::Trail;

# The audit trail of a fixture: made with a signing key, read back, verified.
#
#     my $t = Proctor::Test::Trail::fixture(trail => 'fsync=never', %args);
#     $t->request(...);
#     my ($status, $text) = Proctor::Test::Trail::verify($t);
#     my @faults = Proctor::Test::Trail::faults($t);     # of what must hold
#
# %args are Proctor::Test's; checkpoints are made every 100 ms.  The trail may
# be in another directory: dir => path.

use strict;
use warnings;

use JSON::PP;
use Proctor::Test;
use Proctor::Test::Wait qw(slurp wait_until);

my $json = JSON::PP->new->utf8->allow_nonref;


sub command { $ENV{TEST_PROCTOR_COMMAND} // Proctor::Test::root() . '/build/proctor' }


sub fixture {
    my (%args) = @_;

    my $options = delete $args{trail} // '';
    my $dir = delete $args{dir};
    my $prepare = delete $args{prepare};

    return Proctor::Test->new(
        trail_dir     => $dir,
        audit_options => sub {
            "key=$_[0]{home}/audit.key origin=gw.test checkpoint=100ms $options";
        },
        prepare => sub {
            my ($t) = @_;
            my $line = qx{@{[command()]} audit key $t->{home}/audit.key gw.test};
            die "no key was made\n" if $?;
            $t->write_file('audit.vkey', $line);
            $prepare->($t) if $prepare;
        },
        %args,
        locations => "        location = /checkpoint {\n"
            . "            proctor_checkpoint;\n        }\n"
            . ($args{locations} // ''),
    );
}


sub file { $_[0]{trail} }


# The files of the trail, rotated and set aside ones too.
sub files {
    my ($t) = @_;

    my $file = file($t);
    return grep { !/\.(?:lock|checkpoints|leaves|open)\z/ } sort glob "$file*";
}


sub lines { map { split /^/m, slurp($_) } files($_[0]) }


# Records of whole lines, in the order of files that were named in order.
sub records {
    my ($t) = @_;

    return grep { ref eq 'HASH' && $_->{kind} }
        map { eval { $json->decode($_) } } lines($t);
}


# The exit status of `proctor audit verify`, and what it says.
sub verify {
    my ($t, @files) = @_;

    @files = files($t) unless @files;
    my $text = qx{@{[command()]} audit verify @files --key $t->{home}/audit.vkey 2>&1};

    return wantarray ? ($? >> 8, $text) : $? >> 8;
}


# Waits until the checkpoints cover what there is; the verdict.
sub whole {
    my ($t, @files) = @_;

    my @verdict;
    eval {
        wait_until('a trail that is whole', sub {
            @verdict = verify($t, @files);
            return $verdict[0] == 0;
        }, 20);
    };

    return @verdict;
}


# Whether it is this worker that seals: the lock is on byte 0 of FILE.lock.
sub seals {
    my ($t, $worker) = @_;

    my $lock = file($t) . '.lock';
    return grep { (readlink($_) // '') eq $lock
        && slurp(s{/fd/}{/fdinfo/}r) =~ /OFDLCK.* WRITE .* 0 0$/m }
        glob "/proc/$worker/fd/*";
}


# Forgets what there is, so that what was damaged on purpose is not in the way.
sub begin {
    my ($t) = @_;

    my $file = file($t);
    rename $file, "$file.old";
    wait_until('another file', sub { -s $file });
    wait_until('one that is not sealed', sub {
        my @pins = glob "$file.*.open";
        return @pins == 1;
    }, 20);
    unlink grep { $_ ne $file } files($t);
}


# What must hold of a trail whose workers have all ended: of each intent there
# is one outcome, and no outcome without it.  sent: request ids that came to the
# upstream; told: those whose clients were told of a success.
sub faults {
    my ($t, %of) = @_;

    my (%intents, %outcomes, %by_rid, @faults);

    for my $record (records($t)) {
        if ($record->{kind} eq 'intent') {
            push @faults, "intent $record->{id} twice"
                if $intents{ $record->{id} }++;
            $by_rid{ $record->{rid} } = $record->{id};
        }
        elsif ($record->{kind} eq 'outcome') {
            push @{ $outcomes{ $record->{id} } }, $record->{result};
        }
    }

    for (sort keys %intents) {
        my $n = @{ $outcomes{$_} || [] };
        push @faults, "intent $_ has $n outcomes" if $n != 1;
    }
    for (sort keys %outcomes) {
        push @faults, "outcome $_ without an intent" unless $intents{$_};
    }
    for (@{ $of{sent} || [] }) {
        push @faults, "$_ was sent without an intent" unless $by_rid{$_};
    }
    for (@{ $of{told} || [] }) {
        my $result = $outcomes{ $by_rid{$_} // '' } // ['none'];
        push @faults, "$_ was told of, its outcome is @$result"
            unless "@$result" eq 'ok';
    }

    return @faults;
}

1;
