use strict;
use warnings;

# What was judged is what is forwarded: a configuration that changes the target
# after the judgement gets an error, not another call with the account's key.

use FindBin;
use lib "$FindBin::Bin/lib";
use Proctor::Test;
use Test::More;

my $base = '/api/v2/experiments';

my $t = Proctor::Test->new(
    http => sub {
        my ($self) = @_;
        my $listen = "listen 127.0.0.1:$self->{port};";
        my %changes = (
            'last.test'  => "rewrite ^$base/old/ $base/new/ last;",
            'break.test' => "rewrite ^$base/old/ $base/new/ break;",
            'query.test' => 'set $args page_size=0;',
            'added.test' => "rewrite ^($base/old/) \$1?page_size=0 break;",
        );
        return join '', map { <<"EOT" } sort keys %changes;
    server {
        $listen
        server_name $_;
        location / {
            proctor respan;
            $changes{$_}
            proxy_pass http://sandbox;
        }
    }
EOT
    },
    options => "proxy_intercept_errors on; error_page 503 $base/other/;",
);

for my $host (qw(last.test break.test query.test added.test)) {
    my $r = $t->request(GET => "$base/old/?page=1", key => 'admin',
        host => $host);
    $t->refuses($r, 500, "$host: another target is not forwarded");
    is scalar(my @records = $t->audit($r)), 1, '... and has one record';
    is $records[0]{path}, "$base/old/", '... of the path that was sent';

    # a stranger learns nothing of it
    $t->refuses($t->request(GET => "$base/old/", host => $host), 401,
        '... a stranger gets the 401');
}

# what the configuration leaves alone passes
{
    my $r = $t->request(GET => "$base/x/?page=1", key => 'admin',
        host => 'break.test');
    $t->passes($r, 'a rewrite that does not match changes nothing');
    my ($got) = $t->upstream($r);
    is $got->{target}, "$base/x/?page=1", '... and the target is as sent';
}

# an error page with another target is no second call
{
    $t->sandbox->behave({ status => 503 });
    my $r = $t->request(GET => "$base/x/", key => 'admin');
    is scalar(my @got = $t->upstream($r)), 1, 'an error page asks nothing more';
    cmp_ok $r->{status}, '>=', 500, '... and the error stays one';
    is scalar(my @records = $t->audit($r)), 1, '... with one record';
}

$t->done;
