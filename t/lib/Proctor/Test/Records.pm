package Proctor::Test::Records;

# What a fixture's gateway wrote down: methods of Proctor::Test.

use strict;
use warnings;

use JSON::PP;

use Proctor::Test::Wait qw(slurp wait_until);

my $json = JSON::PP->new->utf8->canonical->allow_nonref->allow_bignum;


# The audit record(s) of a request; waits until the first one is written.  Of a
# durable operation: what its intent and its outcome say together.
sub audit {
    my ($self, $of) = @_;

    my $rid = ref $of ? $of->{rid} : $of;
    my $found = $self->{audit}{found};

    wait_until("the audit record of $rid", sub {
        $self->read_audit;
        return $found->{$rid};
    });

    return wantarray ? @{ $found->{$rid} } : $found->{$rid}[0];
}


sub read_audit {
    my ($self) = @_;

    my $state = $self->{audit};

    open my $fh, '<:raw', $self->{trail} or return;
    $state->{offset} = 0 if ($state->{inode} // 0) != (stat $fh)[1];
    $state->{inode} = (stat $fh)[1];
    seek $fh, $state->{offset}, 0;
    while (defined(my $line = <$fh>)) {
        last unless $line =~ /\n\z/;
        $state->{offset} += length $line;
        my $record = eval { $json->decode($line) } or next;    # torn
        my $intents = $state->{intents};

        if ($record->{kind} eq 'intent') {
            $intents->{ $record->{id} } = $record;
            next;
        }

        $record = { %{ delete $intents->{ $record->{id} } || {} }, %$record }
            if $record->{kind} eq 'outcome';
        push @{ $state->{found}{ $record->{rid} // '' } }, $record;
    }
}


# Every audit line so far, as bytes.
sub audit_lines {
    my ($self) = @_;

    return split /^/m, slurp($self->{trail});
}


sub access_lines {
    my ($self) = @_;

    return split /\n/, slurp("$self->{home}/access.log");
}

1;
