# Benchmarks: `make bench` runs everything (a quarter of an hour and more), `make bench-quick` checks that it runs.
# They are built only for that, and never linked with the library: an allocator is preloaded.

bench_programs = bench/micro bench/containers bench/measure bench/hello bench/spawn bench/thread_memory bench/pair_cost bench/wcet
EXTRA_PROGRAMS += $(bench_programs)
CLEANFILES += $(bench_programs) bench/results.tsv bench/results.png bench/results.txt bench/quick/results.tsv bench/quick/results.png

# A compiler may otherwise remove a malloc whose block is only freed; and sized delete is an option of clang 16's.
bench_keep_calls = -fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free
bench_cflags = $(AM_CFLAGS) $(bench_keep_calls) -O2
bench_libs = -lpthread

bench_micro_SOURCES = bench/micro.c bench/short_lived.c bench/replace.c bench/grow.c bench/sawtooth.c bench/handover.c \
	bench/threads.c bench/bench.h bench/resident.h bench/sawtooth.h
bench_micro_CFLAGS = $(bench_cflags)
bench_micro_LDADD = $(bench_libs)
bench_containers_SOURCES = bench/containers.cc
bench_containers_CXXFLAGS = $(AM_CXXFLAGS) $(bench_keep_calls) -fsized-deallocation -O2
bench_containers_LDADD = $(bench_libs)
bench_measure_SOURCES = bench/measure.c bench/bench.h
bench_measure_LDADD = $(bench_libs)
bench_hello_SOURCES = bench/hello.c bench/resident.h
bench_hello_CFLAGS = $(bench_cflags)
bench_hello_LDADD =
bench_spawn_SOURCES = bench/spawn.c bench/bench.h
bench_spawn_LDADD = $(bench_libs)
bench_thread_memory_SOURCES = bench/thread_memory.c bench/bench.h bench/resident.h
bench_thread_memory_CFLAGS = $(bench_cflags)
bench_thread_memory_LDADD = $(bench_libs)
bench_pair_cost_SOURCES = bench/pair_cost.c bench/bench.h
bench_pair_cost_CFLAGS = $(bench_cflags)
bench_pair_cost_LDADD = $(bench_libs)
bench_wcet_SOURCES = bench/wcet.c bench/bench.h
bench_wcet_CFLAGS = $(bench_cflags)
bench_wcet_LDADD = $(bench_libs)

EXTRA_DIST += bench/run bench/allocators.py bench/programs.py bench/report.py bench/special.py bench/plot.gp \
	bench/data/make_cxx.py bench/data/make_sql.py bench/data/work.js bench/data/work.lua bench/data/work.pl \
	bench/data/work.ps bench/data/work.py bench/data/work.sh

bench_run = CTXALLOC_LIB='$(abs_builddir)/.libs/libctxalloc.so' $(srcdir)/bench/run bench

# The table is kept beside the picture; the exit status is the runner's, not tee's.
bench: $(bench_programs) libctxalloc.la
	@{ $(bench_run) bench; echo $$? > bench/status; } | tee bench/results.txt; \
	status=`cat bench/status`; rm -f bench/status; exit $$status

bench-quick: $(bench_programs) libctxalloc.la
	@$(bench_run) bench/quick --quick

.PHONY: bench bench-quick
