package Proctor::Sandbox::Answer;

# An answer: {status, headers => [[name, value], ...], body => bytes}.

use strict;
use warnings;
use feature 'signatures';
no warnings 'experimental::signatures';

use Exporter qw(import);
use Mojo::JSON qw(encode_json);

our @EXPORT_OK = qw(json_answer json_bytes);

sub json_answer ($status, $value, @headers) {
    return {
        status  => $status,
        headers => [ [ 'Content-Type' => 'application/json' ], @headers ],
        body    => json_bytes($value),
    };
}

# Mojo escapes every slash; the real APIs escape none.
sub json_bytes ($value) {
    return encode_json($value) =~ s{\\/}{/}gr;
}

1;
