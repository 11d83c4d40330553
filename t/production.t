# conf/nginx.conf as `make install` lays it out: nginx takes it, and what it
# promises about the upstream's TLS and the client's path is in it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Cwd qw(abs_path);
use File::Temp ();
use Proctor::Test::Nginx;
use Proctor::Test::Wait qw(slurp);
use Test::More;

my $root = abs_path("$FindBin::Bin/..");
my $module = $ENV{TEST_NGINX_MODULE}
    // "$root/build/ngx_http_proctor_module.so";
my $temp = File::Temp->newdir('proctor-XXXXXXXX', TMPDIR => 1);
my $home = "$temp/etc/nginx/proctor";

my $said = `make -C '$root' -s install DESTDIR='$temp' 2>&1`;
is($?, 0, 'make install') or diag($said);

my $installed = "$temp/usr/lib/nginx/modules/ngx_http_proctor_module.so";
ok(-e $installed, 'the module is there');
ok(-x "$temp/usr/bin/proctor", 'the command is there');
ok(-e "$home/contracts/$_.json", "the contract $_ is there")
    for qw(respan prefactor);
is((stat "$home/teams.json")[2] & 07777, 0640, 'teams.json is not for all');

write_file("$home/teams.json", "mine\n");
`make -C '$root' -s install DESTDIR='$temp' 2>&1`;
is(slurp("$home/teams.json"), "mine\n", 'an operator\'s file stays');
ok(-e "$home/teams.json.new", 'the new one stands beside it');
rename "$home/teams.json.new", "$home/teams.json";

mkdir "$home/keys";
write_file("$home/keys/$_", "an-upstream-key-of-$_\n")
    for qw(respan prefactor);

mkdir "$temp/proctor";
like(`$temp/usr/bin/proctor audit key $home/keys/audit.pem proctor.example.com`,
    qr/\Aproctor\.example\.com\+/, 'the installed command makes a signing key');

my ($fine, $why) = check();
ok($fine, 'nginx takes it') or diag($why);

unlink "$home/keys/respan";
($fine, $why) = check();
ok(!$fine, 'without a key it does not');
like($why, qr{keys/respan}, 'and names the file');

like(slurp("$root/conf/nginx.conf"), qr/^\s*$_;/m, $_)
    for 'proxy_ssl_verify on', 'proxy_ssl_server_name on',
    'proxy_next_upstream off', 'proxy_pass https://respan',
    'proxy_pass https://prefactor';

done_testing;


# nginx -t, with this machine's places in the place of a server's.
sub check {
    my $conf = slurp("$root/conf/nginx.conf");

    $conf =~ s{modules/ngx_http_proctor_module\.so}{$module};
    $conf =~ s{^user .*;$}{}m;
    $conf =~ s{/run/nginx\.pid|/var/log/nginx/[\w.-]+}
        {"$temp/" . ($& =~ s{.*/}{}r)}ge;
    $conf =~ s{/var/log/proctor}{$temp/proctor}g;
    $conf =~ s{server [\w.]+:443 }{server 127.0.0.1:443 }g;
    $conf =~ s/^http \{\n/$& . temporary()/me;
    write_file("$home/nginx.conf", $conf);

    return Proctor::Test::Nginx->new(dir => $home)->test;
}


sub temporary {
    return join '', map { "    ${_}_temp_path $temp/$_;\n" }
        qw(client_body proxy fastcgi uwsgi scgi);
}


sub write_file {
    my ($path, $text) = @_;

    open my $fh, '>', $path or die "$path: $!\n";
    print {$fh} $text;
    close $fh or die "$path: $!\n";
}
