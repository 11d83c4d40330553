package Proctor::Sandbox::Filter;

# Lists as Respan answers them: filtered, sorted, cut into pages.
#
# Nothing is refused here.  What cannot be understood is ignored, or replaced by
# its default: it was the gateway's to refuse.

use strict;
use warnings;
use feature 'signatures';
no warnings 'experimental::signatures';

use Exporter qw(import);
use List::Util qw(any);
use Mojo::JSON qw(encode_json);
use Scalar::Util qw(looks_like_number);
use Time::Local qw(timegm_modern);

our @EXPORT_OK = qw(matches sorted page links between);

use constant DEFAULT_PAGE_SIZE => 100;

my $EQUAL = sub ($have, @want) { any { _text($have) eq _text($_) } @want };
my $IN_TEXT = sub ($have, @want) { any { index(lc _text($have), lc _text($_)) >= 0 } @want };
my $EMPTY = sub ($have, @want) { _text($have) eq '' };
my $PRESENT = sub ($have, @want) { _text($have) ne '' };

my %OPERATORS = (
    (map { $_ => $EQUAL } '', '=', '==', 'eq', 'equals', 'in'),
    (map { $_ => $IN_TEXT }
        qw(icontains ilike trigram_word_similar full_text_search)),
    (map { $_ => $PRESENT } qw(notEmpty not_empty)),
    empty    => $EMPTY,
    not      => sub ($have, @want) { !$EQUAL->($have, @want) },
    iexact   => sub ($have, @want) { any { lc _text($have) eq lc _text($_) } @want },
    contains => sub ($have, @want) { any { index(_text($have), _text($_)) >= 0 } @want },
    startswith => sub ($have, @want) { any { index(_text($have), _text($_)) == 0 } @want },
    endswith => sub ($have, @want) { any { _text($have) =~ /\Q${\_text($_)}\E\z/ } @want },
    gt       => sub ($have, @want) { _compare($have, $want[0]) > 0 },
    gte      => sub ($have, @want) { _compare($have, $want[0]) >= 0 },
    lt       => sub ($have, @want) { _compare($have, $want[0]) < 0 },
    lte      => sub ($have, @want) { _compare($have, $want[0]) <= 0 },
    isnull   => sub ($have, @want) { !!$want[0] == !defined $have },
    regex    => sub ($have, @want) {
        any { my $re = eval {qr/$_/}; $re && _text($have) =~ $re } map { _text($_) } @want;
    },
);

# $value_of->($item, $field): what an item has under a filter's field.
sub matches ($filters, $item, $value_of) {
    return 1 unless ref $filters eq 'HASH';
    for my $field (sort keys %$filters) {
        return 0 unless _holds($filters->{$field}, $field, $item, $value_of);
    }
    return 1;
}

sub sorted ($sort_by, $value_of, @items) {
    my ($minus, $field) = ($sort_by // '') =~ /^(-?)(.+)/ or return @items;
    my @sorted = sort { _compare($value_of->($a, $field), $value_of->($b, $field)) } @items;
    return $minus ? reverse @sorted : @sorted;
}

# The items of the page that the request asks for, and its place.
sub page ($request, @items) {
    my $size = _positive($request->param('page_size')) // DEFAULT_PAGE_SIZE;
    my $page = _positive($request->param('page')) // 1;
    my $first = ($page - 1) * $size;
    my @page = $first > $#items ? () : @items[ $first .. $#items ];
    splice @page, $size if @page > $size;
    return (\@page, { page => $page, last => $first + $size >= @items });
}

# The absolute URLs of the next page and the one before, or undef.
sub links ($request, $origin, $place) {
    my $page = $place->{page};
    my $next = $place->{last} ? undef : _page_url($request, $origin, $page + 1);
    my $previous = $page > 1 ? _page_url($request, $origin, $page - 1) : undef;
    return (next => $next, previous => $previous);
}

# Whether a moment (epoch seconds) is within start_time and end_time.
sub between ($request, $moment) {
    my ($start, $end) = map { _epoch($request->param($_)) } qw(start_time end_time);
    return 0 if defined $start && $moment < $start;
    return 0 if defined $end && $moment >= $end;
    return 1;
}

# One parameter, a list of them, or a bundle of further fields.
sub _holds ($given, $field, $item, $value_of) {
    if (ref $given eq 'ARRAY') {
        return !any { !_holds($_, $field, $item, $value_of) } @$given;
    }
    return 1 if ref $given ne 'HASH';
    return matches($given->{filter_params}, $item, $value_of) if $given->{filter_params};

    my $operator = $OPERATORS{ $given->{operator} // '' } or return 1;
    my $want = $given->{value};
    return $operator->($value_of->($item, $field), ref $want eq 'ARRAY' ? @$want : $want);
}

sub _compare ($one, $other) {
    return defined($one) <=> defined($other) unless defined $one && defined $other;
    return $one <=> $other if looks_like_number($one) && looks_like_number($other);
    return _text($one) cmp _text($other);
}

sub _text ($value) {
    return '' unless defined $value;
    return ref $value ? encode_json($value) : $value;
}

sub _positive ($text) {
    return ($text // '') =~ /^0*([1-9]\d{0,8})$/ ? $1 : undef;
}

sub _page_url ($request, $origin, $page) {
    my @pieces = grep { !/^page(?:=|$)/ } split /&/, $request->query;
    return $origin . $request->path . '?' . join '&', @pieces, "page=$page";
}

sub _epoch ($text) {
    my ($date, $time, $fraction, $zone) = ($text // '') =~ /
        ^ (\d{4}-\d\d-\d\d) (?: [Tt\x20] (\d\d:\d\d:\d\d) (\.\d+)? )?
        ( [Zz] | [+\-\x20]\d\d:\d\d )? $/x or return undef;
    my ($year, $month, $day) = split /-/, $date;
    my ($hour, $minute, $second) = split /:/, $time // '00:00:00';
    my $epoch = eval { timegm_modern($second, $minute, $hour, $day, $month - 1, $year) }
        // return undef;
    my ($sign, $hours, $minutes) = ($zone // '') =~ /^(.)(\d\d):(\d\d)$/;
    my $shift = $sign ? ($hours * 60 + $minutes) * 60 : 0;
    return $epoch + ($fraction // 0) + (($sign // '') eq '-' ? $shift : -$shift);
}

1;
