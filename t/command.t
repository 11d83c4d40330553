# The proctor command: keys that the gateway takes, and lint that says with
# line numbers what nginx would say.

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA qw(sha256_hex);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use JSON::PP qw(decode_json encode_json);
use Test::More;

my $root    = abs_path(dirname(__FILE__) . '/..');
my $command = $ENV{TEST_PROCTOR_COMMAND} // "$root/build/proctor";
my $dir     = tempdir(CLEANUP => 1);

chdir $root or die "$root: $!\n";

# Runs the command: exit code, what it said, what it complained about.
sub run {
    my @args = @_;

    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        open STDOUT, '>', "$dir/out" or die;
        open STDERR, '>', "$dir/err" or die;
        exec $command, @args or die "$command: $!\n";
    }
    waitpid $pid, 0;
    return ($? & 127 ? "signal " . ($? & 127) : $? >> 8,
        read_file("$dir/out"), read_file("$dir/err"));
}

sub read_file {
    my ($name) = @_;
    open my $fh, '<', $name or die "$name: $!\n";
    local $/;
    return scalar(<$fh>) // '';
}

sub write_file {
    my ($name, $text) = @_;
    open my $fh, '>', "$dir/$name" or die "$dir/$name: $!\n";
    print $fh $text;
    close $fh or die "$dir/$name: $!\n";
    return "$dir/$name";
}


# called wrongly: exit code 2, a complaint and the usage, nothing on stdout

my @key = qw(key new --team t --actor a --rights read);

for (
    ['nothing',           'a command is needed',         []],
    ['a strange command', 'no such command: frobnicate', ['frobnicate']],
    ['key alone',         'one verb: new',               ['key']],
    ['another verb',      'one verb: new',               [qw(key old)]],
    ['no options',        'are needed',                  [qw(key new)]],
    ['no rights',  'are needed', [qw(key new --team t --actor a)]],
    ['an option without its value', 'lacks its value: --id', [@key, '--id']],
    ['a strange option',  'no such option: --secret', [@key, '--secret', 'x']],
    ['an actor with a line feed', 'must be 1 to 128',
        [qw(key new --team t --rights read --actor), "a\nb"]],
    ['an id with a quote', 'must be 1 to 128', [@key, '--id', 'a"b']],
    ['no actor at all',    'must be 1 to 128',
        [qw(key new --team t --rights read --actor), '']],
    ['rights that are none', '--rights must be words',
        [qw(key new --team t --actor a --rights), ',']],
    ['rights with blanks', '--rights must be words',
        [qw(key new --team t --actor a --rights), 'read, create']],
    ['a local time', '--expires must be like',
        [@key, qw(--expires 2027-01-01T00:00:00)]],
    ['lint of nothing',   'lint needs a contract', ['lint']],
    ['lint of teams only', 'lint needs a contract', [qw(lint --teams x)]],
    ['lint --teams',      'lint needs a contract', [qw(lint --teams)]],
    ['version of what',   'version takes no argument', [qw(version 1)]],
) {
    my ($name, $complaint, $args) = @$_;
    my ($code, $out, $err) = run(@$args);

    is $code, 2,  "$name: exit code 2";
    is $out,  '', '... nothing on stdout';
    like $err, qr/^proctor: .*\Q$complaint\E/, '... a complaint';
    like $err, qr/proctor key new --team/,     '... and how to call it';
}


# version, help

my ($code, $out, $err) = run('version');
is $code, 0, 'version';
like $out, qr/^proctor \d+\.\d+\.\d+\n\z/, '... says it';

($code, $out, $err) = run('help');
is $code, 0, 'help';
like $out, qr/^proctor lint --teams/m, '... is on stdout';


# key new

($code, $out, $err) = run(@key, '--json');
is $code, 0,  'a key';
is $err,  '', '... without a complaint';

my $made = decode_json($out);
is_deeply [sort keys %$made], [qw(key token)], '... as token and key';
like $made->{token}, qr/^prk_[A-Za-z0-9_-]{43}\z/, 'the token has its form';
is $made->{key}{sha256}, sha256_hex($made->{token}),
    'the key has the digest of the whole token';
like $made->{key}{id}, qr/^k-[0-9a-f]{8}\z/, '... and an id of its own';
is $made->{key}{actor}, 'a', '... and its actor';
is_deeply $made->{key}{rights}, ['read'], '... and its rights';
is_deeply [sort keys %{ $made->{key} }], [qw(actor id rights sha256)],
    '... and nothing else';

my %tokens = map { decode_json((run(@key, '--json'))[1])->{token} => 1 } 1 .. 20;
is keys %tokens, 20, 'no token comes twice';
is keys %{ { map { substr($_, -1) => 1 } keys %tokens } } > 1, 1,
    'their last bits differ too';

($code, $out, $err) = run(qw(key new --actor), q(Bob O'Neill),
    '--rights', 'read,create', qw(--team nlp --id k-bob),
    qw(--expires 2027-01-01T00:00:00Z));
is $code, 0, 'a key for people';

my ($token, $text) = $out =~ /\A(prk_\S{43})\n\n(?:.*\n)+?\n(\{.*)\z/s;
ok defined $text, 'its token is the first line, its object the last';
my $key = decode_json($text);
is_deeply $key, { id => 'k-bob', sha256 => sha256_hex($token),
    actor => q(Bob O'Neill), rights => [qw(read create)],
    expires => '2027-01-01T00:00:00Z' }, '... with all that was asked for';
is scalar(() = $out =~ /\Q$token\E/g), 1, 'the token is printed once';


# lint: contracts

my @contracts = map { "conf/contracts/$_.json" } qw(respan prefactor);

($code, $out, $err) = run('lint', @contracts);
is $code, 0, 'our own contracts have no fault';
like $out, qr{\Aconf/contracts/respan\.json: ok, 18 operations
conf/contracts/prefactor\.json: ok, \d+ operations\n\z}, '... and are counted';

my $bad = write_file('bad.json', <<'JSON');
{
  "openapi": "3.1.0",
  "info": { "title": "T",
            "version": "1" },
  "paths": {
    "/a/": {
      "get": {
        "operationId": "a",
        "x-proctor": { "right": "read" },
        "parameters": [
          { "name": "q", "in": "query",
            "schema": { "type": "integer",
                        "maximun": 5 } }
        ]
      },
      "head": {}
    }
  },
  "webhooks": {}
}
JSON

($code, $out, $err) = run('lint', $bad);
is $code, 1, 'a contract with faults: exit code 1';
is $out =~ s/(maximun: ).*/$1/r, <<"END", 'each on a line, with its line';
$bad:19: /webhooks: is not understood
$bad:16: /paths/~1a~1/head: is not understood
$bad:13: /paths/~1a~1/get/parameters/0/schema/maximun: 
END

($code, $out, $err) = run('lint', write_file('no.json', "{\n\"a\": 1,\n x }"));
is $code, 1, 'no JSON at all';
like $out, qr{/no\.json:3: is not JSON: line 3, column \d+: }, '... and where';

($code, $out, $err) = run('lint', write_file('two.json', "{\n\"a\":1,\n\"a\":2}"));
is $code, 1, 'a member twice';
like $out, qr{/two\.json:3: is not JSON: .*duplicate}, '... and where';

($code, $out, $err) = run('lint', write_file('empty.json', ''));
is $code, 1, 'an empty file';
like $out, qr{/empty\.json:1: is not JSON: }, '... is not JSON';

($code, $out, $err) = run('lint', "$dir/none.json", $contracts[0]);
is $code, 1, 'a file that is not there';
like $out, qr{/none\.json: cannot be opened: No such file}, '... is named';
like $out, qr{respan\.json: ok, 18},                        '... others go on';

($code, $out, $err) = run('lint', $dir);
is $code, 1, 'a directory';
like $out, qr{cannot be read: Is a directory}, '... is no file';


# lint: teams

my $secret = 'canary-5d1e';
write_file('upstream.key', "$secret\n");

my %teams = (
    accounts => { acme => { contract => 'respan',
        keys => [{ file => 'upstream.key' }] } },
    teams => { t => { accounts => { respan => 'acme' },
        keys => [$made->{key}, $key] } });
my $teams = write_file('teams.json', encode_json(\%teams));

($code, $out, $err) = run('lint', '--teams', $teams, @contracts);
is $code, 0, 'what key new printed fits into a teams file';
like $out, qr{/teams\.json: ok, 1 accounts}, '... which has no fault';

$key->{rights} = ['raed'];
$teams{accounts}{acme}{keys} = [{ env => 'PROCTOR_TEST_NOT_SET' }];
$teams = write_file('teams.json', JSON::PP->new->pretty->canonical
    ->encode(\%teams));

delete local $ENV{PROCTOR_TEST_NOT_SET};
($code, $out, $err) = run('lint', '--teams', $teams, @contracts);
my ($env_line, $right_line) = map {
    my $word = $_;
    my @lines = split /\n/, read_file($teams);
    (grep { $lines[$_ - 1] =~ /$word/ } 1 .. @lines)[0];
} qw(NOT_SET raed);

is $code, 1, 'a teams file with faults';
like $out, qr{^\Q$teams\E:$env_line: /accounts/acme/keys/0/env: }m,
    '... the variable, on its line';
like $out, qr{^\Q$teams\E:$right_line: /teams/t/keys/1/rights/0: }m,
    '... the right, on its line';

{
    local $ENV{PROCTOR_TEST_NOT_SET} = "$secret\x01";
    ($code, $out, $err) = run('lint', '--teams', $teams, @contracts);
    is $code, 1, 'a secret that is no header value';
    unlike "$out$err", qr/$secret/, '... is not told';
}

($code, $out, $err) = run('lint', '--teams', $teams, $bad, @contracts);
is $code, 1, 'a bad contract beside a teams file';
unlike $out, qr{teams\.json}, '... is the only thing spoken of';

done_testing;
