use strict;
use warnings;

# Writes and what was stored: nobody sees the old value after the writer's
# answer, whatever is under way, on whichever gateway; and what happens when a
# gateway or Redis is not there to say so.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test::Cache;
use Proctor::Test::Status qw(becomes);
use Proctor::Test::Wait qw(wait_until);
use Test::More;

my $redis = redis();
my $a = gateway($redis);
my $serial = 0;

my $b = another();


# A gateway of the same teams, with an upstream of its own.
sub another {
    return gateway($redis, teams => sub {
        my ($data, $teams) = @_;
        $teams->{$_} = $a->teams->{$_} for qw(tokens upstream);
        $data->{$_} = $a->teams->{data}{$_} for qw(teams accounts);
    });
}


sub fresh_id { 'w' . ++$serial }


# begins a request; its answer is read later
sub begin {
    my ($t, $method, $target, %args) = @_;

    my $conn = $t->connect;
    my $rid = $t->rid;
    $conn->send($t->bytes($method => $target, key => 'admin', rid => $rid,
        %args));
    return { conn => $conn, rid => $rid, method => $method };
}


sub end {
    my ($request) = @_;

    my $r = $request->{conn}->answer(method => $request->{method});
    $request->{conn}->close;
    $r->{rid} = $request->{rid};
    return $r;
}


sub patch {
    my ($t, $id, %args) = @_;

    return $t->request(PATCH => path($id), key => 'admin',
        json => { name => 'x' }, %args);
}


# the writer's sandbox answers 200 to whatever is patched
sub writable {
    my ($t, $id, %rule) = @_;

    $t->sandbox->behave({
        match => { method => 'PATCH', path => quotemeta path($id) },
        times => 0, status => 200, json => { name => 'new' }, %rule,
    });
}


# a write between two reads
{
    my $id = fresh_id();
    upstream($a, $id, json => { name => 'old' });
    writable($a, $id);
    get($a, $id);
    is state(get($a, $id)), 'hit', 'stored';
    is patch($a, $id)->{status}, 200, 'then changed';

    $a->sandbox->clear;
    upstream($a, $id, json => { name => 'new' });
    my $r = get($a, $id);
    is $r->{json}{name}, 'new', 'the next reader sees the change';
    is state($r), 'uri-miss', '... from the upstream';
    is state(get($a, $id)), 'hit', '... and it is stored again';
    is scalar(my @marks = grep { /:mark:/ } @{ $redis->command('KEYS', '*') }),
        0, 'no mark is left';
}


# C11: a read that was slower than the write
{
    my $id = fresh_id();
    upstream($a, $id, json => { name => 'old' }, hold => 'slow', times => 1);
    writable($a, $id);
    my $slow = begin($a, GET => path($id));
    $a->sandbox->wait(held => 1);
    is patch($a, $id)->{status}, 200, 'a write while a read is under way';
    $a->sandbox->release('slow');
    my $r = end($slow);
    is $r->{body}, '{"name":"old"}', 'the slow reader gets the old value';

    $a->sandbox->clear;
    upstream($a, $id, json => { name => 'new' });
    $r = get($a, $id);
    is state($r), 'uri-miss', '... which is not stored';
    is $r->{json}{name}, 'new', '... and nobody else gets it';
    cmp_ok counter($a, 'outdated'), '>=', 1, '... and that is counted';
}


# a read during the write
{
    my $id = fresh_id();
    upstream($a, $id, json => { name => 'old' });
    writable($a, $id, hold => 'write');
    get($a, $id);
    my $writer = begin($a, PATCH => path($id), json => { name => 'x' });
    $a->sandbox->wait(held => 1);

    for my $t ($a) {
        my $r = get($t, $id);
        is state($r), 'uri-miss', 'while it is written nothing stored is used';
        is state(get($t, $id)), 'uri-miss', '... nor is anything stored';
    }

    my ($mark) = grep { /:mark:experiment:$id\z/ }
        @{ $redis->command('KEYS', '*') };
    ok $mark, 'there is a mark';
    cmp_ok $redis->command('PTTL', $mark), '>', 60_000, '... for long';
    $a->sandbox->release('write');
    is end($writer)->{status}, 200, 'the write ends';
    wait_until('the mark to go', sub { !$redis->command('EXISTS', $mark) });
    get($a, $id);
    is state(get($a, $id)), 'hit', 'then it is stored again';
}


# two writers, one of which never ends
{
    my $id = fresh_id();
    upstream($a, $id);
    writable($a, $id, hold => 'never', times => 1);
    my $first = begin($a, PATCH => path($id), json => { name => 'x' });
    $a->sandbox->wait(held => 1);
    writable($a, $id);
    is patch($a, $id)->{status}, 200, 'a second writer';
    get($a, $id);
    is state(get($a, $id)), 'uri-miss', '... leaves the first one\'s mark';

    $first->{conn}->reset;
    get($a, $id);
    is state(get($a, $id)), 'uri-miss', 'a writer that left is not forgotten';
    $a->sandbox->release('never');
}


# what the upstream did not do, and what nobody knows
for my $case (
    ['a refusal', 'hit', status => 409, json => {}],
    ['a failure', 'hit', status => 500, json => {}],
    ['a bad gateway', 'uri-miss', status => 502, json => {}],
    ['no answer', 'uri-miss', close => 'before'],
) {
    my ($what, $state, %rule) = @$case;
    my $id = fresh_id();
    upstream($a, $id);
    writable($a, $id, %rule);
    patch($a, $id);
    my $r;
    if ($state eq 'hit') {
        wait_until("$what to be over", sub { state(get($a, $id)) eq 'hit' });
    }
    get($a, $id);
    is state(get($a, $id)), $state,
        "$what: " . ($state eq 'hit' ? 'the mark goes' : 'the mark stays');
}

{
    my $id = fresh_id();
    upstream($a, $id);
    get($a, $id);
    is $a->request(PATCH => path($id), key => 'viewer',
        json => { name => 'x' })->{status}, 403, 'a write that is refused here';
    is state(get($a, $id)), 'hit', '... changes nothing';
}


# RFC 9111, 4.4
{
    my $id = fresh_id();
    upstream($a, $id);
    my $other = fresh_id();
    upstream($a, $other);
    get($a, $_) for $id, $other;
    writable($a, 'loc', headers => { Location => path($id),
        'Content-Location' => "http://gateway.test" . path($other) });
    patch($a, 'loc');
    wait_until('Location to be heard', sub {
        state(get($a, $id)) ne 'hit' });
    pass 'Location is invalidated';
    isnt state(get($a, $other)), 'hit', 'Content-Location, too';

    get($a, $id);
    writable($a, 'far', headers => { Location => "http://far.test" . path($id),
        'Content-Location' => '//gateway.test' . path($id) });
    patch($a, 'far');
    is state(get($a, $id)), 'hit', 'not of another origin';
}


# another gateway
{
    my $id = fresh_id();
    upstream($_, $id, json => { name => 'old' }) for $a, $b;
    writable($a, $id);
    get($a, $id);
    is state(get($a, $id)), 'hit', 'stored: nobody waits for that';
    is state(get($b, $id)), 'hit', '... and another gateway uses it';
    patch($a, $id);
    upstream($b, $id, json => { name => 'new' });
    isnt state(get($b, $id)), 'hit', '... until it is written through the first';

    upstream($b, 'slow', json => { name => 'old' }, hold => 'far', times => 1);
    writable($a, 'slow');
    my $slow = begin($b, GET => path('slow'));
    $b->sandbox->wait(held => 1);
    is patch($a, 'slow')->{status}, 200, 'a write while another gateway reads';
    $b->sandbox->release('far');
    is end($slow)->{body}, '{"name":"old"}', '... which gets the old value';
    isnt state(get($b, 'slow')), 'hit', '... and does not store it';

    my $c = another();
    get($b, $id);
    is state(get($b, $id)), 'hit', 'stored; then a third gateway writes';
    writable($c, $id, hold => 'dies');
    my $writer = begin($c, PATCH => path($id), json => { name => 'x' });
    $c->sandbox->wait(held => 1);
    my @workers = $c->nginx->workers;
    my $master = delete $c->nginx->{pid};
    kill 'KILL', $master, @workers;
    waitpid $master, 0;
    $writer->{conn}->rest;
    $writer->{conn}->close;
    is state(get($b, $id)), 'uri-miss', '... and is killed before it answers';
    is state(get($b, $id)), 'uri-miss', '... it leaves a group that is not cached';
    ok !(grep { $redis->command('PTTL', $_) < 0 }
        @{ $redis->command('KEYS', '*') }), '... but not for ever';
    $c->stop;
}


# C12: Redis is away when something is written
{
    my $id = fresh_id();
    becomes($a, 'ready');
    upstream($a, $id, json => { name => 'old' });
    writable($a, $id);
    get($a, $id);
    is state(get($a, $id)), 'hit', 'stored, then Redis hangs';

    $redis->freeze;
    my $r = patch($a, $id);
    is $r->{status}, 200, 'a write goes on';
    is counters($a)->{deferred} > 0, 1, '... and is remembered';
    $redis->thaw;
    becomes($a, 'ready');

    $a->sandbox->clear;
    upstream($a, $id, json => { name => 'new' });
    my $seen = join ' ', map { get($a, $id)->{json}{name} } 1 .. 5;
    is $seen, 'new new new new new', 'what was stored before is not believed';
    wait_until('Redis to be told', sub { counters($a)->{dirty} == 0 });
    upstream($b, $id, json => { name => 'new' });
    is get($b, $id)->{json}{name}, 'new', 'nor by another gateway, then';
    get($a, $id);
    is state(get($a, $id)), 'hit', 'and it is stored again';
}


# marks and generations that vanish
{
    my $id = fresh_id();
    upstream($a, $id, json => { name => 'old' });
    writable($a, $id, hold => 'flushed');
    my $writer = begin($a, PATCH => path($id), json => { name => 'x' });
    $a->sandbox->wait(held => 1);
    $redis->command('FLUSHALL');
    get($a, $id);
    is state(get($a, $id)), 'hit', 'a mark that is lost lets readers store';
    $a->sandbox->release('flushed');
    end($writer);
    wait_until('the writer to say so', sub { state(get($a, $id)) ne 'hit' });
    pass '... but the writer finds it lost, and invalidates';

    $redis->command('DEL', grep { /:gen:/ } @{ $redis->command('KEYS', '*') });
    is state(get($a, $id)), 'uri-miss', 'no generation, no hit';
    is state(get($a, $id)), 'hit', '... until there is another';
}

# a client that leaves while its group is being marked: until one is in time
{
    my $id = fresh_id();
    my $scripts = sub {
        my ($n) = $redis->command('INFO', 'commandstats')
            =~ /cmdstat_evalsha:calls=(\d+)/;
        return $n // 0;
    };
    my $in_time = 0;
    for my $try (1 .. 20) {
        my $before = $scripts->();
        my $conn = $a->connect;
        $redis->freeze;
        $conn->send($a->bytes(PATCH => path($id), key => 'admin',
            json => { name => 'x' }));
        select undef, undef, undef, 0.02 * $try;
        $conn->reset;
        select undef, undef, undef, 0.02 * $try;
        $redis->thaw;
        last if $in_time = $scripts->() > $before;
    }
    ok $in_time, 'a client leaves while its group is being marked';
    wait_until('the mark to go', sub {
        !grep { /:mark:experiment:$id\z/ } @{ $redis->command('KEYS', '*') };
    });
    upstream($a, $id);
    get($a, $id);
    is state(get($a, $id)), 'hit', '... which is taken back';
}


# a Redis that comes back as it was before the write
{
    my $id = fresh_id();
    upstream($a, $id, json => { name => 'old' });
    writable($a, $id);
    get($a, $id);
    is state(get($a, $id)), 'hit', 'stored, and on the disk of Redis';
    $redis->command('SAVE');
    is patch($a, $id)->{status}, 200, '... then changed';
    $a->sandbox->clear;
    upstream($a, $id, json => { name => 'new' });

    $redis->kill;
    $redis->start;
    becomes($_, 'ready') for $a, $b;
    is scalar(grep { /:res:/ } @{ $redis->command('KEYS', '*') }) > 0, 1,
        'a Redis that was killed comes back with its older state';
    my $r = get($a, $id);
    is $r->{json}{name}, 'new', '... which nobody believes';
    is state($r), 'uri-miss', '... but asks the upstream';
    is state(get($a, $id)), 'hit', '... and stores it again';
    is state(get($b, $id)), 'hit', '... for all';
}

$b->stop;
$a->done;
