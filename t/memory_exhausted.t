use strict;
use warnings;

# The N-th allocation of a request fails, for every N: the caller gets an error
# or no answer, the worker lives on, and nothing was done that was not asked
# for.  What is sent after it is answered as ever.
#
# hiredis 0.14 calls abort() where it has no memory: with Redis that, and no
# other signal, may cost a worker.

use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp ();
use JSON::PP;
use Proctor::Test;
use Proctor::Test::Redis;
use Proctor::Test::Status qw(becomes);
use Test::More;

plan skip_all => 'sanitizers have allocations of their own'
    if $ENV{ASAN_OPTIONS};

my $temp = File::Temp->newdir('proctor-XXXXXXXX', TMPDIR => 1);
my $library = "$temp/failing_malloc.so";
my $counter = "$temp/left";
system('cc', '-shared', '-fPIC', '-O1', '-Wall', '-Werror', '-o', $library,
    "$FindBin::Bin/lib/failing_malloc.c") == 0 or die "cc failed\n";
chmod 0755, "$temp";
left(0);

my $base = '/api/v2/experiments';
my $create = {
    dataset_id    => 'ds_memory',
    workflow      => [{ type => 'completion', config => {} }],
    evaluator_ids => ['eval_quality'],
};
my %large = (%$create, description => 'x' x 100_000);

my @requests = (
    ['a read', GET => '/api/v2/experiments/exp_none/'],
    ['a list', GET => '/api/v2/experiments/list/?page_size=5&page=1'],
    ['a refused read', GET => '/api/v2/experiments/list/?page_size=0'],
    ['a write', POST => '/api/v2/experiments/', json => $create],
    ['a refused write', POST => '/api/v2/experiments/',
        json => { %$create, evaluator_ids => [], batch_size => 'many' }],
    ['a large write', POST => '/api/v2/experiments/', json => \%large],
    ['another shape', POST => '/api/v1/agent_spans/none/finish',
        json => { status => 'failed' }],
    ['no such path', GET => '/api/v2/nothing/'],
);

run('alone', Proctor::Test->new(environment()));
run('with quotas in a zone', Proctor::Test->new(environment(),
    http => "proctor_zone main:1m;\n", teams => \&quotas));

# an intent that found no memory is none, and has no outcome
{
    my $t = Proctor::Test->new(environment(), contract => sub {
        my ($name, $data) = @_;
        $data->{paths}{"$base/{experiment_id}/"}{patch}{'x-proctor'}{audit} =
            { durable => JSON::PP::true, level => 'body' } if $name eq 'respan';
    });
    my ($n, $enough);

    # what is kept for a batch is soon too small for the next
    my $patch = sub {
        $t->request(PATCH => "$base/e/", key => 'admin',
            json => { description => 'x' x $_[0] });
    };
    $patch->(1);
    for ($n = 1; $n < 1000 && !$enough; $n++) {
        left($n);
        $patch->(2000);
        $enough = left();
        left(0);
    }
    my %intent;
    my @records = map { eval { decode_json($_) } || () } $t->audit_lines;
    $intent{ $_->{id} } = 1 for grep { $_->{kind} eq 'intent' } @records;
    my @outcomes = grep { $_->{kind} eq 'outcome' } @records;
    cmp_ok scalar(@outcomes), '>', 1, "$n allocations: some outcomes";
    is scalar(grep { !$intent{ $_->{id} } } @outcomes), 0,
        '... none without its intent';
    push @{ $t->nginx->{expected} },
        qr/malloc\(|posix_memalign\(|is not sealed|proctor audit: .* failed/;
    $t->stop;
}

my $redis = Proctor::Test::Redis->new(dir => "$temp/redis");
my $t = Proctor::Test->new(environment(), teams => \&quotas,
    http => 'proctor_zone main:1m; proctor_redis unix:' . $redis->socket
        . " timeout=1s;\n",
    locations => Proctor::Test::Status::location());
becomes($t, 'ready');
run('with Redis', $t, 'aborts');

done_testing;


sub environment {
    return (
        log_level => 'warn',
        env => { LD_PRELOAD => $library, PROCTOR_FAILING => $counter },
    );
}


sub quotas {
    my ($data) = @_;

    $data->{teams}{alpha}{quotas} = [
        { name => 'calls', limit => 1_000_000, per => '1h' },
        { name => 'creates', limit => 1_000_000, per => '1d',
            operations => ['experiment.create'], charge => 'accepted' },
    ];
}


sub left {
    my ($n) = @_;

    if (!defined $n) {
        open my $fh, '<:raw', $counter or die "$counter: $!\n";
        read $fh, my $bytes, 4;
        return unpack 'L', $bytes;
    }

    open my $fh, -e $counter ? '+<:raw' : '>:raw', $counter
        or die "$counter: $!\n";
    print {$fh} pack 'L', $n;
    close $fh;
}


sub run {
    my ($where, $t, $aborts) = @_;

    my ($worker) = $t->nginx->workers;

    for my $case (@requests) {
        my ($what, @request) = @$case;
        becomes($t, 'ready') if $aborts;
        my $as_ever = $t->request(@request, key => 'admin')->{status};
        my (%seen, $n);

        # until the request needs no further allocation
        for ($n = 1; $n < 1000; $n++) {
            left($n);
            my $answer = $t->request(@request, key => 'admin');
            my $enough = left();
            left(0);
            becomes($t, 'ready') if $aborts;
            $seen{ $answer ? $answer->{status} : 'none' }++;
            my $next = $t->request(@request, key => 'admin');
            $seen{"then $next->{status}"}++ if $next->{status} != $as_ever;
            last if $enough;
        }

        my ($now) = $t->nginx->workers;
        ok $now == $worker || $aborts,
            "$where: $what: $n allocations, the worker lives on";
        $worker = $now;
        is join(' ', grep { !/\A(?:none|5\d\d|$as_ever)\z/ } sort keys %seen),
            '', '... and an error is an error';
    }

    # who was aborted has left its connections in the count
    is $t->nginx->stop, 0, "$where: nginx exits 0" if $aborts;
    push @{ $t->nginx->{expected} },
        qr/malloc\(|posix_memalign\(|is not sealed/,
        $aborts ? qr/exited on signal 6/ : ();
    $t->stop;
}
