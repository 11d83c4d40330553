use strict;
use warnings;

# The public suite of JSON texts, through the gateway: as whole bodies, and as
# the value of a free-form member.  n_ is refused, y_ passes byte for byte; i_
# may be either, but never a fault of ours.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::Wait qw(slurp);
use Test::More;

my $suites = $ENV{PROCTOR_SUITES} // Proctor::Test::root() . '/../shared/suites';
my $folder = "$suites/json-parsing/test_parsing";

plan skip_all => "the suite is not in $folder (PROCTOR_SUITES)"
    unless -d $folder;

my @files = sort glob "$folder/*.json";
is @files, 318, 'the whole suite is there';

# valid JSON that we refuse by design: members given twice
my %refused = map { $_ => 1 }
    qw(y_object_duplicated_key.json y_object_duplicated_key_and_value.json);

my $t = Proctor::Test->new(options => 'client_max_body_size 2m;');
my $spans = '/api/v1/agent_spans';
my $conn;


sub verdict {
    my ($method, $target, $body) = @_;

    $conn = $t->connect if !$conn || $conn->closed;
    my $r = $t->request($method, $target, key => 'admin', body => $body,
        conn => $conn);
    my @got = $r ? $t->upstream($r) : ();

    return 'no answer'   if !$r;
    return 'changed'     if @got && $got[0]{body} ne $body;
    return 'passed'      if @got == 1;
    return $r->{status} == 400 && ref $r->{json} eq 'HASH'
        ? 'refused' : "$r->{line} $r->{body}";
}


for my $file (@files) {
    my ($name) = $file =~ m{([^/]+)\z};
    my $text = slurp($file);
    my $inside = verdict(PATCH => '/api/v2/experiments/x/logs/y/',
        qq({"output":null,"input":$text}));
    my $whole = verdict(POST => "$spans/x/finish", $text);
    my ($kind) = $name =~ /\A(.)_/;

    if ($kind eq 'n' || $refused{$name}) {
        is $inside, 'refused', "$name as a value";
        # an empty body is none, which the finishing of a span may be
        like $whole, $text eq '' ? qr/\Apassed\z/ : qr/\Arefused\z/,
            "$name as a body";
    }
    elsif ($kind eq 'y') {
        is $inside, 'passed', "$name as a value";
        my $object = $text =~ /\A\s*\{/;
        is $whole, $object ? 'passed' : 'refused', "$name as a body";
    }
    else {
        like $_, qr/\A(?:passed|refused)\z/, "$name gets a verdict"
            for $inside, $whole;
    }
}

$conn->close;
$t->done;
