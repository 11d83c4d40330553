package Proctor::Sandbox::Answer;

# An answer is {status, headers => [[name, value], ...], body => bytes}; here is
# how the APIs write one.

use strict;
use warnings;
use feature 'signatures';
no warnings 'experimental::signatures';

use Exporter qw(import);
use Mojo::JSON qw(encode_json);
use POSIX qw(strftime);

our @EXPORT_OK = qw(datetime json_answer json_bytes ordered_answer);

sub json_answer ($status, $value, @headers) {
    return {
        status  => $status,
        headers => [ [ 'Content-Type' => 'application/json' ], @headers ],
        body    => json_bytes($value),
    };
}

# An object whose members stand in this order, for where the documentation
# shows one that is not the alphabet's.
sub ordered_answer ($status, @members) {
    my @parts;
    while (my ($name, $value) = splice @members, 0, 2) {
        push @parts, json_bytes($name) . ':' . json_bytes($value);
    }
    return { %{ json_answer($status, {}) }, body => '{' . join(',', @parts) . '}' };
}

sub datetime ($epoch) {
    my $whole = int $epoch;
    return strftime('%Y-%m-%dT%H:%M:%S', gmtime $whole)
        . sprintf '.%06dZ', ($epoch - $whole) * 1_000_000;
}

# Mojo escapes every slash; the real APIs escape none.
sub json_bytes ($value) {
    return encode_json($value) =~ s{\\/}{/}gr;
}

1;
