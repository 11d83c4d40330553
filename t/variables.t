use strict;
use warnings;

# $proctor_* for access logs and headers: the same bytes for a request's life.

use FindBin;
use JSON::PP;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::Wait qw(wait_until);
use Test::More;

my $base = '/api/v2/experiments';
my @names = qw(team actor operation decision reason);

my $t = Proctor::Test->new(
    options => join ' ', map {
        qq(add_header X-Twice-$_ "[\$proctor_$_|\$proctor_$_]" always;)
    } @names);


# The access log's line of a request; nginx writes bytes over 127 as they are.
sub line {
    my ($r) = @_;

    return Proctor::Test::Wait::wait_until("the line of $r->{rid}", sub {
        my ($line) = grep { /"rid":"\Q$r->{rid}\E"/ } $t->access_lines;
        return $line && JSON::PP->new->decode($line);
    });
}


for my $case (
    ['a call that passes', [GET => "$base/", key => 'admin'],
        { team => 'alpha', actor => 'admin@example.com',
            operation => 'experiment.list', decision => 'allowed',
            reason => '' }],
    ['no key', [GET => "$base/"],
        { team => '', actor => '', operation => '', decision => 'refused',
            reason => 'no_key' }],
    ['no right', [DELETE => "$base/x/", key => 'viewer'],
        { team => 'alpha', actor => 'viewer@example.com',
            operation => 'experiment.delete', decision => 'refused',
            reason => 'no_right' }],
    ['no path', [GET => "$base/x/y/", key => 'beta'],
        { team => 'beta', actor => 'beta@example.com', operation => '',
            decision => 'refused', reason => 'no_path' }],
    ['bad input', [GET => "$base/?page=0", key => 'admin'],
        { team => 'alpha', actor => 'admin@example.com',
            operation => 'experiment.list', decision => 'refused',
            reason => 'bad_input' }],
) {
    my ($name, $call, $want) = @$case;
    my $r = $t->request(@$call);
    my $line = line($r);

    for (@names) {
        is $line->{$_}, $want->{$_}, "$name: \$proctor_$_ is '$want->{$_}'";
        my $header = $r->{headers}{ lc "x-twice-$_" } // '';
        my ($one, $other) = $header =~ /\A\[(.*)\|(.*)\]\z/;
        is $one, $other, '... the same twice in one script';
        is $one, $line->{$_}, '... and in header and log';
    }
}


# what a client sends stays one line
{
    my $before = $t->access_lines;
    my $r = $t->request(GET => "$base/?x=%0a%22\"\\", key => 'admin',
        headers => ['User-Agent', "a\"\\\xff\t", 'Referer', '"}']);
    my $line = line($r);
    is $line->{team}, 'alpha', 'hostile bytes do not forge a member';
    is scalar(my @now = $t->access_lines), $before + 1, '... nor a line';
}


# outside of a contract they are empty
{
    $t->request(GET => '/elsewhere', bare => 1,
        headers => [Host => 'x', Connection => 'close']);
    my $line;
    wait_until('the line of the access log', sub {
        ($line) = grep { /elsewhere/ } $t->access_lines;
    });
    like $line, qr/"team":"","actor":""/, 'no contract, no team';
}

$t->done;
