# The module beside every module that Debian ships.  nginx loads them all with
# RTLD_GLOBAL, and nchan, loaded first, exports the whole of a hiredis with
# another struct layout than ours.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Proctor::Test;
use Test::More;

my $binary = $ENV{TEST_NGINX_BINARY} // '/usr/sbin/nginx';
my $module = $ENV{TEST_NGINX_MODULE}
    // Proctor::Test::root() . '/build/ngx_http_proctor_module.so';

my @exported = map { (split)[2] } `nm -D --defined-only '$module'`;
is_deeply([sort @exported],
    [qw(ngx_http_proctor_module ngx_module_names ngx_module_order ngx_modules)],
    'the module exports what nginx looks up and nothing else');

SKIP: {
    skip "$binary was not built by Debian: its modules do not fit", 1
        if $binary ne '/usr/sbin/nginx';

    subtest 'beside all of Debian\'s modules' => \&beside;
}

done_testing;


sub beside {
    my @files = sort { rank($a) <=> rank($b) || $a cmp $b }
        glob '/usr/share/nginx/modules-available/*.conf';
    my @lines = map { lines($_) } @files;

    cmp_ok(scalar @lines, '>=', 20, 'nginx-extras is installed');
    like($lines[0], qr/nchan/, 'nchan is the first');

    my $t = Proctor::Test->new(stopped => 1);
    $t->nginx->write_conf(join "\n", @lines, $t->conf);

    my ($fine, $said) = $t->nginx->test;
    ok($fine, 'nginx -t is content') or diag($said);

    $t->nginx->start($t->port);
    $t->passes($t->request(GET => '/api/v2/experiments/', key => 'admin'),
        'a request is forwarded');
    $t->refuses($t->request(GET => '/api/v2/experiments/'), 401,
        'one without a key is refused');
    $t->stop;
}


# The load_module lines of one package, with the path that nginx would take.
sub lines {
    my ($file) = @_;

    open my $fh, '<', $file or die "$file: $!\n";
    return map { s{\bmodules/}{/usr/lib/nginx/modules/}r }
        map { chomp; $_ } grep { /^\s*load_module/ } <$fh>;
}


# nchan, then what others need, then the rest.
sub rank {
    my ($file) = @_;

    return 0 if $file =~ /nchan/;
    return 1 if $file =~ /mod-http-ndk|mod-mail\.|mod-stream\./;
    return 2;
}
