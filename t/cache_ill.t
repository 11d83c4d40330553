use strict;
use warnings;

# When Redis is ill, or holds what is none of ours, a read is a miss: never an
# error, never late, never somebody else's.  t/redis_faults.t does it under load.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test::Cache;
use Proctor::Test::Status qw(becomes recovers);
use Proctor::Test::Wait qw(wait_until);
use Test::More;
use Time::HiRes qw(time);

# what a sanitizer or a busy machine may cost
my $slow = $ENV{ASAN_OPTIONS} ? 4 : 1;

my $redis = redis();
my $t = gateway($redis, timeout => '100ms',
    teams => sub {
        $_[0]{accounts}{other} = { %{ $_[0]{accounts}{acme} } };
        $_[0]{teams}{gamma} = { accounts => { respan => 'other' },
            keys => [$_[1]->key('gamma', rights => ['read'])] };
    });
my $serial = 0;


sub stored {
    my ($id) = @_;

    $id //= 'i' . ++$serial;
    upstream($t, $id, json => { id => $id });
    my %before = map { $_ => 1 } entries($redis);
    get($t, $id);
    is state(get($t, $id)), 'hit', 'stored';
    my ($entry) = grep { !$before{$_} } entries($redis);
    return ($id, $entry);
}


# what stands in Redis is not what was put there
{
    my ($id, $entry) = stored();
    my $value = $redis->command('GET', $entry);
    my $foreign = do {
        get($t, 'theirs', key => 'gamma');
        my ($theirs) = grep { /\{other\}:res:/ } entries($redis);
        $theirs && $redis->command('GET', $theirs);
    };
    my (undef, $second) = stored();
    my $swapped = $redis->command('GET', $second);

    my @cases = (
        ['empty' => ''], ['of one byte' => 'x'],
        ['cut short' => substr $value, 0, length($value) - 1],
        ['cut to half' => substr $value, 0, length($value) / 2],
        ['longer' => $value . 'x'], ['of another question' => $swapped],
        ['somebody\'s own' => '{"a":1}'], ['zeroes' => "\0" x length $value],
        ['too large' => 'x' x 1_100_000],
        ['of another version' => substr($value, 0, 4)
            . chr(1 + ord substr $value, 4, 1) . substr $value, 5],
        map { my $bit = $_; my $bad = $value;
            substr($bad, $bit, 1) ^= "\1"; ["with byte $bit changed" => $bad] }
            map { int($_ * (length($value) - 1) / 12) } 0 .. 12,
    );
    push @cases, ['another account\'s' => $foreign] if $foreign;

    for my $case (@cases) {
        my ($what, $bad) = @$case;
        my $rejected = counter($t, 'rejected');
        $redis->command('SET', $entry, $bad, 'PX', 60000);
        my $r = get($t, $id);
        is "$r->{status} $r->{body} " . state($r),
            "200 {\"id\":\"$id\"} uri-miss", "an entry $what is a miss";
        is counter($t, 'rejected'), $rejected + 1, '... counted';
        wait_until('it to be replaced', sub { state(get($t, $id)) eq 'hit' });
    }
    cmp_ok scalar($t->nginx->log_lines(qr/none of ours/)), '>=', 1,
        '... and said';

    for my $key ($entry, grep { /:(gen|mark):experiment:$id\z/ }
        @{ $redis->command('KEYS', '*') }, "proctor:{acme}:mark:experiment:$id")
    {
        $redis->command('DEL', $key);
        $redis->command('RPUSH', $key, 'x');
        my $r = get($t, $id);
        is $r->{status}, 200, "$key of another type";
        wait_until('it to be mended', sub {
            state(get($t, $id)) eq 'hit' || $key =~ /:mark:/ });
        $redis->command('DEL', $key) if $key =~ /:mark:/;
    }

    $redis->command('SET', "proctor:{acme}:gen:experiment:$id", 'short');
    is get($t, $id)->{status}, 200, 'a generation that is none';
    $redis->command('FLUSHALL');
    is state(get($t, $id)), 'uri-miss', 'all is gone';
    is state(get($t, $id)), 'hit', '... and comes again';
}


# a Redis that cannot be used
my ($id) = stored();

for my $case (
    ['dead', 'miss', sub { $redis->kill }, sub { $redis->start }],
    ['hanging', 'miss', sub { $redis->freeze }, sub { $redis->thaw }],
    ['full', 'hit', sub { config('maxmemory', 1) },
        sub { config('maxmemory', 0) }],
    ['read-only', 'hit|miss', sub { $redis->command('REPLICAOF', '127.0.0.1', 1) },
        sub { $redis->command('REPLICAOF', 'NO', 'ONE') }],
    ['without its replicas', 'hit', sub { config('min-replicas-to-write', 1) },
        sub { config('min-replicas-to-write', 0) }],
    ['closed to us', 'hit|miss', sub { $redis->command(
            qw(ACL SETUSER default -@all +config +ping +info +acl +keys)) },
        sub { $redis->command(qw(ACL SETUSER default +@all)) }],
) {
    my ($what, $state, $begin, $end) = @$case;

    stored($id) unless state(get($t, $id)) eq 'hit';
    $begin->();
    my $other = 'i' . ++$serial;
    upstream($t, $other, json => { id => $other });

    my $start = time;
    my %seen;
    $seen{ state(get($t, $id)) }++ for 1 .. 3;
    like join(' ', sort keys %seen), qr/\A(?:(?:$state|uri-miss) ?)+\z/,
        "$what: what was stored";
    my @others = map { get($t, $other) } 1 .. 3;
    is join(' ', map { $_->{status} } @others), '200 200 200',
        '... and what was not';
    is scalar(grep { state($_) eq 'hit' } @others), 0, '... and cannot be';
    cmp_ok time - $start, '<', 2 * $slow, '... nobody waits';

    $end->();
    ok defined recovers($t, 2.5 * $slow), '... it comes back';
    wait_until('entries to be stored again', sub {
        state(get($t, $other)) eq 'hit' });
}


sub config {
    $redis->command('CONFIG', 'SET', @_);
}


# scripts that Redis forgot
{
    my $other = 'i' . ++$serial;
    upstream($t, $other);
    $redis->command('SCRIPT', 'FLUSH');
    get($t, $other);
    is state(get($t, $other)), 'hit', 'a script that was forgotten is told again';
    $redis->command('SCRIPT', 'FLUSH');
    is $t->request(PATCH => path($other), key => 'admin',
        json => { name => 'x' })->{status} != 503, 1, '... those of writes, too';
    isnt state(get($t, $other)), 'hit', '... which invalidate';
}


# more is written while Redis is away than is remembered
{
    my ($kept) = stored();
    $t->sandbox->behave({ match => { method => 'PATCH' }, times => 0,
        status => 200, json => {} });
    $redis->freeze;
    for my $n (1 .. 60) {
        $t->request(PATCH => path("many$n"), key => 'admin',
            json => { name => 'x' });
    }
    cmp_ok counter($t, 'dirty'), '<=', 48, 'what is remembered is bounded';
    $redis->thaw;
    becomes($t, 'ready');
    wait_until('Redis to be told', sub { counter($t, 'dirty') == 0 });
    isnt state(get($t, $kept)), 'hit', 'what was stored before is not believed';
}

$t->done;
