package Proctor::Bench::Load;

# Load on one core, CPU as the kernel counts it, and what becomes of both.
#
#     my ($gateway, $other) = cpus();           # two cores that we may use
#     my $n = load($row, $other, 5);            # wrk's count after 5 s
#     my $us = cpu_us($pid);                    # of all threads so far
#     write_script($row, "$temp/row.lua");
#
# A row has: name, port, method, path (distinct: 1: another resource at each
# request), headers [name, value, ...], body, script (write_script's).

use strict;
use warnings;

use Exporter 'import';
use POSIX ();

use Proctor::Test::Wait qw(slurp);

our @EXPORT_OK = qw(connections cpu_us cpus load median pace write_file
    write_script);


sub connections { 64 }

# us of the load's core that each request costs at least.
sub pace { $ENV{BENCH_PACE} // 0 }


# The first two cores that we may run on.
sub cpus {
    my ($list) = slurp('/proc/self/status') =~ /^Cpus_allowed_list:\s*(\S+)/m
        or die "no list of cores in /proc/self/status\n";

    my @cpus = map { /^(\d+)-(\d+)$/ ? $1 .. $2 : $_ } split /,/, $list;
    @cpus >= 2 or die "two cores are needed, this process may use one\n";

    return @cpus[0, 1];
}


sub write_file {
    my ($path, $text) = @_;

    open my $fh, '>:raw', $path or die "$path: $!\n";
    print {$fh} $text;
    close $fh or die "$path: $!\n";
}


sub write_script {
    my ($row, $path) = @_;

    my %headers = @{ $row->{headers} };
    my $script = qq(wrk.method = "$row->{method}"\n)
        . "wrk.body = [[$row->{body}]]\n"
        . join '', map { qq(wrk.headers["$_"] = "$headers{$_}"\n) }
            sort keys %headers;

    # no resource is asked for twice, also not in another round
    my $make = $row->{distinct} ? <<'EOT' =~ s/\@PATH\@/$row->{path}/r : <<'EOT';
local n = os.time() * 10000000
local make = function()
    n = n + 1
    return wrk.format(nil, (("@PATH@"):gsub("/$", "_" .. string.format("%d", n) .. "/")))
end
EOT
local made
local make = function()
    made = made or wrk.format()
    return made
end
EOT
    my $pace = pace() / 1e6;
    $script .= <<"EOT";
$make
request = function()
    local till = os.clock() + $pace
    repeat until os.clock() >= till
    return make()
end
EOT

    $row->{script} = $path;
    write_file($path, $script);
}


# wrk's count of answers after so many seconds of load.
sub load {
    my ($row, $cpu, $seconds) = @_;

    my @command = ('taskset', '-c', $cpu, 'wrk', '-t1', '-c' . connections(),
        "-d${seconds}s", '-s', $row->{script},
        "http://127.0.0.1:$row->{port}$row->{path}");

    open my $fh, '-|', @command or die "$command[0]: $!\n";
    my $output = do { local $/; <$fh> };
    close $fh or die "wrk failed:\n$output";

    $output =~ /Non-2xx|Socket errors/ and die "$row->{name}:\n$output";
    $output =~ /(\d+) requests in/ or die "wrk said:\n$output";

    return $1;
}


# In nanoseconds where the kernel counts them, else in ticks.
sub cpu_us {
    my ($pid) = @_;

    my $ns = 0;
    $ns += (split ' ', slurp($_))[0] // 0 for glob "/proc/$pid/task/*/schedstat";
    return $ns / 1e3 if $ns;

    my ($fields) = slurp("/proc/$pid/stat") =~ /.*\) (.*)/s;
    my ($user, $system) = (split ' ', $fields)[11, 12];
    return ($user + $system) * 1e6 / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}


sub median {
    my @sorted = sort { $a <=> $b } @_;
    return ($sorted[$#sorted / 2] + $sorted[@sorted / 2]) / 2;
}

1;
