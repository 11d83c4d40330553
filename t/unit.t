# Every unit test of t/unit, as `make` built it: each one's TAP as a subtest.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(basename dirname);
use Test::More;

my $root = abs_path(dirname(__FILE__) . '/..');
my $built = $ENV{TEST_UNIT_DIR} // "$root/build/unit";

chdir $root or die "$root: $!\n";

for my $source (sort glob 't/unit/*.c') {
    my $name = basename($source, '.c');
    subtest $name => sub { unit("$built/$name") };
}

# J3: no depth of a client's choosing takes stack; a sanitizer takes more
subtest 'json_limits with a stack of 64 KB' => sub {
    plan skip_all => 'a sanitizer needs more' if $ENV{ASAN_OPTIONS};
    unit('sh', '-c', 'ulimit -s 64 && exec "$0"', "$built/json_limits");
};

done_testing;


# Runs one; its lines become this subtest's, and it must keep its own plan.
sub unit {
    my (@program) = @_;

    open my $tap, '-|', @program or return fail("@program: $!");
    my ($planned, $ran, @said) = (undef, 0);

    while (defined(my $line = <$tap>)) {
        chomp $line;
        if ($line =~ /\A1\.\.(\d+)/) {
            $planned = $1;
        } elsif ($line =~ /\A(not )?ok\b(?:\s+\d+)?(?:\s+-)?\s*(.*)/) {
            $ran++;
            ok(!$1, $2);
        } elsif ($line =~ /\ABail out!/) {
            fail($line);
        } else {
            push @said, $line =~ s/\A#\s?//r;
        }
    }

    close $tap;
    is($?, 0, 'exits 0');
    is($ran, $planned, 'keeps its plan');

    # figures are for who asks with prove -v, unless something failed
    Test::More->builder->is_passing ? note($_) : diag($_) for @said;
}
