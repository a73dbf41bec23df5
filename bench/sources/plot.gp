# Draws resident memory over the sawtooth's work.  Wants the variables folder, picture, allocators (names between spaces), pause (ms) and machine.
set terminal pngcairo size 1800,900 font "sans,13" noenhanced
set output picture
set title "Sawtooth: 64 MiB filled, nine tenths freed at random, " . pause . " ms idle, again with other sizes\n" . machine font ",14"
set xlabel "calls of malloc and free, millions"
set ylabel "resident MiB, less what was before the work"
set yrange [0:*]
set grid linecolor "#cccccc"
set key outside right top
array colours[8] = ["#888888", "#e69f00", "#56b4e9", "#009e73", "#000000", "#d55e00", "#cc79a7", "#0072b2"]
data(i) = folder . "/" . word(allocators, i) . ".dat"
plot for [i=1:words(allocators)] data(i) using ($1/1e6):2 with lines linewidth 1.6 linecolor rgb colours[(i - 1) % 8 + 1] title word(allocators, i), \
     data(1) using ($1/1e6):3 with lines linewidth 1 dashtype 2 linecolor rgb "#555555" title "live"
