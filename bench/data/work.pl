# Work for the perl benchmark: hashes, arrays, strings, regular expressions, sorting.  Prints a checksum.
use strict;
use warnings;

my $seed = 42;
sub below { my ($bound) = @_; $seed = ($seed * 1103515245 + 12345) % 2147483648; return int($seed / 65536) % $bound }

my (%index, $sum);
$sum = 0;
for my $i (1 .. 70_000) {
    my $word = ("w" x below(30)) . below(20_000);
    push @{ $index{$word}{positions} }, $i;
    $index{$word}{text} .= "$i;";
}
for my $word (sort keys %index) {
    $sum += @{ $index{$word}{positions} } * length $word;
    $sum += $_ for split /;/, $index{$word}{text};
}
my @records = map { { id => $_, name => "name" . below(1000), tags => [ map { below(100) } 1 .. 5 ] } } 1 .. 25_000;
for my $record (sort { $a->{name} cmp $b->{name} || $a->{id} <=> $b->{id} } @records) {
    (my $name = $record->{name}) =~ s/(\d)(\d)/$2$1/g;
    $sum += length($name) + $record->{tags}[2];
}
print "$sum\n";
