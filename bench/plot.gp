# Draws results.tsv: time and peak memory of each benchmark under each allocator, as ratios to the first allocator.
# Wants the variables table, picture, allocators (names between spaces) and machine.
set terminal pngcairo size 2400,1500 font "sans,13" noenhanced
set output picture
set datafile separator "\t"
set datafile commentschars "#"
set multiplot layout 2,1 title machine font ",16"
set style data histograms
set style histogram clustered gap 1.5
set style fill solid 0.9 noborder
set logscale y 2
set grid ytics linecolor "#bbbbbb"
set xtics rotate by -40 nomirror scale 0
set key top outside horizontal center
set boxwidth 0.95
array colours[8] = ["#888888", "#e69f00", "#56b4e9", "#009e73", "#000000", "#d55e00", "#cc79a7", "#0072b2"]
row(name) = sprintf("< awk -F'\\t' '$2 == \"%s\"' '%s'", name, table)
base = word(allocators, 1)
set ylabel "time, " . base . " = 1 (less is better)"
plot for [i=1:words(allocators)] row(word(allocators, i)) using 4:xtic(1) title word(allocators, i) linecolor rgb colours[(i - 1) % 8 + 1], \
     1 with lines linecolor "black" dashtype 2 notitle
set ylabel "peak resident memory, " . base . " = 1 (less is better)"
plot for [i=1:words(allocators)] row(word(allocators, i)) using 6:xtic(1) title word(allocators, i) linecolor rgb colours[(i - 1) % 8 + 1], \
     1 with lines linecolor "black" dashtype 2 notitle
unset multiplot
