package Proctor::Test::Node;

# Runs other people's programs from npm: the clients in t/clients, a linter.
#
#     my $node = Proctor::Test::Node->new;      # installs, once a lock file
#     my $run = $node->run('x.mjs', env => { A => 1 }, args => ['b']);
#     my $run = $node->tool('redocly', args => ['lint', 'file']);
#     $run->{status}, $run->{out}, $run->{err}
#     my $name = $node->file('node_modules/x/data.json');
#     my @told = $node->client($t, 'x.mjs');    # $t: a Proctor::Test
#
# Versions and digests are those of t/clients/package-lock.json.  Everything is
# below build/npm: programs are copied there, since node looks for a program's
# packages beside it.  Several tests may come here at once: one installs, the
# others wait for it.

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA;
use Fcntl qw(:flock);
use File::Basename qw(basename dirname);
use File::Copy qw(copy);
use File::Path qw(make_path);
use File::Temp ();
use JSON::PP;
use Test::More ();

my $root = abs_path(dirname(__FILE__) . '/../../../..');
my $from = "$root/t/clients";
my $dir  = "$root/build/npm";


sub new {
    my ($class) = @_;

    make_path($dir);
    open my $lock, '>', "$dir/lock" or die "$dir/lock: $!\n";
    flock $lock, LOCK_EX or die "$dir/lock: $!\n";

    my $wanted = digest();
    install($wanted) if installed() ne $wanted;

    for my $file (glob("$from/*.mjs"), "$from/redocly.yaml") {
        my $to = "$dir/" . basename($file);
        copy($file, "$to.new") && rename("$to.new", $to) or die "$to: $!\n";
    }

    return bless {}, $class;
}


sub digest {
    my $sha = Digest::SHA->new(256);

    $sha->addfile("$from/$_") for qw(package.json package-lock.json);
    return $sha->hexdigest;
}


sub installed {
    open my $fh, '<', "$dir/installed" or return '';
    return <$fh> // '';
}


sub install {
    my ($wanted) = @_;

    for my $file (qw(package.json package-lock.json)) {
        copy("$from/$file", "$dir/$file") or die "$dir/$file: $!\n";
    }

    my $run = start(['npm', 'ci', '--ignore-scripts', '--no-audit',
        '--no-fund'], {});
    die "npm ci: $run->{out}$run->{err}\n" if $run->{status};

    open my $fh, '>', "$dir/installed" or die "$dir/installed: $!\n";
    print {$fh} $wanted;
    close $fh or die "$dir/installed: $!\n";
}


sub file {
    my ($self, $name) = @_;

    return "$dir/$name";
}


sub run {
    my ($self, $program, %how) = @_;

    return start(['node', $program, @{ $how{args} || [] }], $how{env});
}


sub tool {
    my ($self, $name, %how) = @_;

    return start(["node_modules/.bin/$name", @{ $how{args} || [] }],
        $how{env});
}


# Lets a client loose on the gateway.  What it tells, one JSON object a line,
# becomes tests; so does what the gateway knows of each call.
sub client {
    my ($self, $t, $program, %how) = @_;

    my $run = $self->run($program, args => $how{args}, env => {
        PROCTOR_URL => 'http://127.0.0.1:' . $t->port,
        PROCTOR_KEY => $t->teams->token('admin'),
    });
    my @told = map { decode_json($_) } split /\n/, $run->{out};

    for my $told (@told) {
        my $name = delete $told->{name};
        Test::More::ok($told->{ok}, $name) or Test::More::diag(
            JSON::PP->new->utf8->canonical->pretty->encode($told));
        known($t, $told, $name) if $told->{rid};
    }
    Test::More::is($run->{status}, 0, "$program exits 0")
        or Test::More::diag($run->{err});

    return @told;
}


# What was allowed arrived once, what was refused never did.
sub known {
    my ($t, $told, $name) = @_;

    my $record = $t->audit($told->{rid});
    my $arrived = $record->{decision} eq 'allowed' ? 1 : 0;

    $told->{audit} = $record;
    Test::More::is(scalar(my @got = $t->upstream($told->{rid})), $arrived,
        "$name: $record->{decision}, so it arrived $arrived times");
}


sub start {
    my ($command, $env) = @_;

    my %files = map { $_ => File::Temp->new } qw(out err);

    my $pid = fork // die "fork: $!\n";
    unless ($pid) {
        chdir $dir or die "$dir: $!\n";
        open STDIN, '<', '/dev/null';
        open STDOUT, '>&', $files{out};
        open STDERR, '>&', $files{err};
        %ENV = (%ENV, %{ $env || {} });
        exec @$command or warn "$command->[0]: $!\n";
        require POSIX;
        POSIX::_exit(127);
    }
    waitpid $pid, 0;

    return { status => $?, map { $_ => slurp($files{$_}) } keys %files };
}


sub slurp {
    my ($file) = @_;

    open my $fh, '<:raw', "$file" or die "$file: $!\n";
    local $/;
    return <$fh> // '';
}

1;
