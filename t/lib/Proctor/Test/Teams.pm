package Proctor::Test::Teams;

# The teams file of a test: who may call, and which keys are lent.
#
#     alpha   admin (every right), viewer (read), late (expired),
#             old and new (every right: a rotation)
#     beta    beta (every right; the respan account only)
#
# Tokens and upstream keys are random for each run, so that one that is found
# anywhere it must not be is a leak of this run.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use JSON::PP;


sub new {
    my ($class, %args) = @_;

    my $self = bless {
        contracts => $args{contracts},
        tokens    => {},
        upstream  => {
            respan    => 'sk_' . random(),
            prefactor => 'pf_' . random(),
        },
    }, $class;

    $self->{data} = $self->standard;
    $args{change}->($self->{data}, $self) if $args{change};

    return $self;
}


sub random {
    open my $fh, '<:raw', '/dev/urandom' or die "/dev/urandom: $!\n";
    read $fh, my $bytes, 24;
    return unpack 'H*', $bytes;
}


# A key's entry for the file; its token is remembered as $name.  Without
# rights of its own it gets every right of its team's contracts.
sub key {
    my ($self, $name, %more) = @_;

    my $token = $self->{tokens}{$name} //= 'proctor_' . random();

    return {
        id     => "k-$name",
        sha256 => sha256_hex($token),
        actor  => "$name\@example.com",
        %more,
    };
}


sub token  { $_[0]{tokens}{ $_[1] } // die "no key named $_[1]\n" }
sub tokens { values %{ $_[0]{tokens} } }


# Every right that some operation of these contracts asks for.
sub rights {
    my ($self, @names) = @_;

    my %rights;
    for my $contract (@{ $self->{contracts} }{@names}) {
        for my $path (values %{ $contract->{paths} }) {
            $rights{ $_->{'x-proctor'}{right} } = 1
                for grep { ref eq 'HASH' && $_->{'x-proctor'} } values %$path;
        }
    }

    return [sort keys %rights];
}


sub standard {
    my ($self) = @_;

    return {
        accounts => {
            acme => {
                contract => 'respan',
                keys     => [{ env => 'PROCTOR_TEST_RESPAN' }],
            },
            acmepf => {
                contract => 'prefactor',
                keys     => [{ env => 'PROCTOR_TEST_PREFACTOR' }],
            },
        },
        teams => {
            alpha => {
                accounts => { respan => 'acme', prefactor => 'acmepf' },
                keys     => [
                    $self->key('admin'),
                    $self->key('viewer', rights => ['read']),
                    $self->key('late', expires => '2001-01-01T00:00:00Z'),
                    $self->key('old', expires => '2199-01-01T00:00:00Z'),
                    $self->key('new'),
                ],
            },
            beta => {
                accounts => { respan => 'acme' },
                keys     => [$self->key('beta')],
            },
        },
    };
}


sub write {
    my ($self, $path) = @_;

    for my $team (values %{ $self->{data}{teams} }) {
        $_->{rights} //= $self->rights(keys %{ $team->{accounts} })
            for @{ $team->{keys} };
    }

    open my $fh, '>:raw', $path or die "$path: $!\n";
    print {$fh} JSON::PP->new->utf8->canonical->pretty->encode($self->{data});
    close $fh or die "$path: $!\n";
}


# The environment nginx reads the account keys from.
sub environment {
    my ($self) = @_;

    return (
        PROCTOR_TEST_RESPAN    => $self->{upstream}{respan},
        PROCTOR_TEST_PREFACTOR => $self->{upstream}{prefactor},
    );
}


# Every byte string that may stand nowhere.
sub secrets {
    my ($self) = @_;

    return ($self->tokens, values %{ $self->{upstream} });
}

1;
