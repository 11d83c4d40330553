use strict;
use warnings;

# The power fails while a gateway writes: what it did to its trail is recorded,
# call by call, and every state that a disk may then be in is given to whoever
# starts next (t/unit/audit_power.c).  Nothing was sent to the upstream whose
# intent had not been synced.
#
# PROCTOR_LONG=1: each byte of what was not synced; else some of them.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::Strace;
use Proctor::Test::Trail;
use Proctor::Test::Wait qw(slurp wait_until);
use Test::More;

my $base = '/api/v2/experiments';
my $replay = ($ENV{TEST_UNIT_DIR} // Proctor::Test::root() . '/build/unit')
    . '/audit_power';
my $why = Proctor::Test::Strace::missing();
plan skip_all => $why if $why;

my $t = Proctor::Test::Trail::fixture(trail => 'fsync=group');
my ($trail, $notes) = ($t->{trail}, "$t->{trail}.checkpoints");
$t->sandbox->behave({ status => 200, json => { id => 'exp_1' }, times => 0 });

# All that is written is sealed, so nothing more will be for a while.
sub settled {
    wait_until('all to be sealed', sub {
        my ($status, $text) = Proctor::Test::Trail::verify($t);
        return $status == 0 && $text =~ /(\d+) records, \1 sealed/;
    });
}


my $r = $t->request(GET => "$base/e/", key => 'admin');
is $r->{status}, 200, 'a read';
$t->audit($r);
settled();
my %size = (trail => -s $trail, notes => -s $notes);
my @events = map { "start $_ $size{$_}" } qw(trail notes);

# one by one, and many at once, which share what the disk costs
my ($worker) = $t->nginx->workers;
my $s = Proctor::Test::Strace->new($worker, '-y', '-s', '2000',
    '-e', 'trace=write,fdatasync,writev,sendto');
my @sent;
for my $round (1 .. 6) {
    my @conns;
    for my $n (1 .. $round) {
        push @conns, my $conn = $t->connect;
        $conn->send($t->bytes(DELETE => "$base/e/", key => 'admin',
            rid => my $rid = Proctor::Test::rid()));
        push @sent, $rid;
    }
    my @others = ($t->request(GET => "$base/e/", key => 'admin'),
        $t->request(DELETE => "$base/e/", key => 'viewer'));
    is join(' ', map { $_->answer->{status} } @conns),
        join(' ', (200) x $round), "$round at once";
    $_->close for @conns;
    $t->audit($_) for @others;
}
settled();
$s->stop;

# what it did, in order
my (%synced, %intent, %forwarded, @early);
{
    my $at = 0;
    for my $line (split /^/m, slurp($trail)) {
        $at += length $line;
        $intent{$1} = $at if $line =~ /"kind":"intent".*?"rid":"([^"]+)"/;
    }
}
$synced{trail} = $size{trail};
my @trace = $s->calls;
for my $call (@trace) {
    # what an fdatasync promises is what had been written when it began
    $call->{size} = { %size };
    my ($rid) = $call->{args} =~ /DELETE .*X-Request-Id: ([\w-]+)/i;
    my ($path) = $call->{args} =~ /\A\d+<([^>]*)>/;
    my $file = $path =~ /\A\Q$notes\E\z/ ? 'notes'
        : $path =~ /\A\Q$trail\E(?:\.[0-9a-f]{32}\.open)?\z/ ? 'trail' : undef;

    if ($rid && $intent{$rid} && !$file) {
        $forwarded{$rid}++;
        push @early, $rid if $intent{$rid} > $synced{trail};
    }
    next if !$file || $call->{result} < 0;
    if ($call->{name} eq 'write') {
        $size{$file} += $call->{result};
        push @events, "write $file $size{$file}";
    }
    elsif ($call->{name} eq 'fdatasync') {
        $synced{$file} = $trace[ $call->{after} ]{size}{$file};
        push @events, "sync $file $synced{$file}";
    }
}
is $size{trail}, -s $trail, 'every write was recorded';
is $size{notes}, -s $notes, '... and those of checkpoints';
is scalar keys %forwarded, scalar @sent, '... and all that was forwarded';
is_deeply \@early, [], '... when its intent had been synced';

$t->write_file($_->[0], $_->[1]) for ['events', join '', map { "$_\n" } @events],
    ['trail.copy', slurp($trail)], ['notes.copy', slurp($notes)];
my $said = join '', qx{$replay @{[ map { "$t->{home}/$_" }
    qw(audit.key trail.copy notes.copy events) ]} @{[
    $ENV{PROCTOR_LONG} ? 1 : 199 ]}};
is $?, 0, 'wherever the power fails, the trail is whole again';
like $said, qr/^ok 1 - \d{3,} ways/m, '... in ' . ($said =~ /- (.*)/)[0];

$t->done;
