# Work for perl.sh. Prints checksums of what it made, and exits with 6.
use strict;
use warnings;

my $seed = 99;
sub number { $seed = ($seed * 1103515245 + 12345) % 2147483648; return $seed >> 8 }
sub checksum { return unpack("%32C*", $_[0]) . "/" . length($_[0]) }

my %words;
for my $i (1 .. 150_000) {
    my $word = sprintf("%x", number() % 40_000);
    push @{ $words{$word} }, $i;
    delete $words{ sprintf("%x", number() % 40_000) } if $i % 4 == 0;
}
my @sorted = sort { @{ $words{$b} } <=> @{ $words{$a} } || $a cmp $b } keys %words;
print "words ", scalar(@sorted), " ", checksum(join(",", map { "$_=@{ $words{$_} }" } @sorted)), "\n";

my $text = "";
$text .= ("line $_ " . "abc" x (number() % 60) . "\n") for 1 .. 20_000;
my $matches = () = $text =~ /(\d+) (?:abc){3,}$/mg;
(my $changed = $text) =~ s/(abc)+/uc($1) . length($&)/ge;
print "text $matches ", checksum($changed), "\n";

my @lines = split /\n/, $text;
print "split ", scalar(@lines), " ", checksum(join("|", sort { lc $a cmp lc $b } reverse @lines)), "\n";

sub tree { my ($depth) = @_; return $depth ? [ tree($depth - 1), { name => "n$depth", sub => tree($depth - 1) } ] : undef }
sub count { my ($t) = @_; return $t ? 1 + count($t->[0]) + count($t->[1]{sub}) : 0 }
my $nodes = 0;
$nodes += count(tree(13)) for 1 .. 4;
print "tree $nodes\n";

my $grown = "";
$grown = $grown . chr(65 + $_ % 26) x 1000 for 1 .. 5000;
substr($grown, 1000, 500_000) = "";
print "grown ", checksum($grown), "\n";

pipe(my $read, my $write) or die "pipe: $!";
my $child = fork();
die "fork: $!" unless defined $child;
if ($child == 0) {
    my %copy = map { $_ => scalar @{ $words{$_} } } keys %words;
    my $sum = 0;
    $sum += $_ for values %copy;
    print {$write} $sum;
    close $write;
    exit 2;
}
close $write;
my $sum = <$read>;
waitpid $child, 0;
print "fork $sum ", $? >> 8, "\n";
exit 6;
