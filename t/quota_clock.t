use strict;
use warnings;

# A gateway's clock is set an hour forward, then two back: no window opens, none
# stays shut, and nobody is told to wait for an hour.  Redis's clock decides,
# and in the zone one that nobody sets.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Proctor::Test::Redis;
use Proctor::Test::Status qw(becomes);
use Proctor::Test::Wait qw(wait_until);
use Test::More;

plan skip_all => 'a sanitizer wants to be loaded first' if $ENV{ASAN_OPTIONS};

my $list = '/api/v2/experiments/';
my $shim = <<'EOT';
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static long *offset;

__attribute__((constructor)) static void begin(void)
{
    offset = mmap(NULL, sizeof(long), PROT_READ, MAP_SHARED,
        open(getenv("CLOCK_OFFSET"), O_RDONLY), 0);
}

int gettimeofday(struct timeval *tv, void *zone)
{
    int (*real)(struct timeval *, void *) = dlsym(RTLD_NEXT, "gettimeofday");
    int rc = real(tv, zone);
    tv->tv_sec += *offset;
    return rc;
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int rc = real(id, ts);
    ts->tv_sec += id == CLOCK_REALTIME ? *offset : 0;
    return rc;
}
EOT


for my $in_redis (0, 1) {
    my $where = $in_redis ? 'Redis' : 'zone';
    my ($offset, $redis, %env);
    my $set = sub {
        open my $fh, '+<:raw', $offset or die "$offset: $!\n";
        syswrite $fh, pack 'q', $_[0];
    };

    my $t = Proctor::Test->new(
        teams => sub {
            $_[0]{teams}{alpha}{quotas}
                = [{ name => 'calls', limit => 4, per => '1m' }];
        },
        env => \%env,
        prepare => sub {
            my $dir = $_[0]{dir};
            $redis = Proctor::Test::Redis->new(dir => "$dir/redis")
                if $in_redis;
            $offset = "$dir/offset";
            open my $fh, '>:raw', $offset or die "$offset: $!\n";
            print {$fh} pack 'q', 0;
            close $fh;
            open my $cc, '|-', qw(cc -shared -fPIC -x c -o), "$dir/clock.so",
                '-', '-ldl' or die "cc: $!\n";
            print {$cc} $shim;
            close $cc or die "cc failed\n";
            %env = (LD_PRELOAD => "$dir/clock.so", CLOCK_OFFSET => $offset);
        },
        http => sub {
            "proctor_cache off; proctor_zone main:1m;\n" . ($in_redis
                ? 'proctor_redis unix:' . $redis->socket . " timeout=2s;\n"
                : '');
        },
        locations => Proctor::Test::Status::location(),
    );
    becomes($t, 'ready') if $in_redis;

    my @call = (GET => $list, key => 'admin');
    is $t->request(@call)->{status}, 200, "$where: a call";
    for my $jump (3600, -3600) {
        $set->($jump);
        wait_until('the gateway to see it', sub {
            my $date = $t->request(GET => $list, key => 'beta')
                ->{headers}{date};
            return $date =~ /(\d\d):\d\d:\d\d/
                && $1 == (gmtime(time + $jump))[2];
        });
        my $r = $t->request(@call);
        is $r->{status}, 200, "$where: the clock jumps by $jump s: there is room";
        $r->{headers}{ratelimit} =~ /t=(\d+)/;
        cmp_ok $1, '<=', 62, '... for as long as before';
    }
    is $t->request(@call)->{status}, 200, '... for one more';
    my $r = $t->request(@call);
    is $r->{status}, 429, '... and no more';
    cmp_ok $r->{headers}{'retry-after'}, '<=', 62, '... for a minute';
    $set->(0);
    is $t->request(@call)->{status}, 429, '... nor when it is right again';
    $t->stop;
}

done_testing;
