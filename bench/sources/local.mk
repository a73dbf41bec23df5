# `make bench-sources`: what memory costs that a source gives and takes back, resident memory over time, huge pages.  `make bench-sources-quick` checks that it runs.
bench_sources_programs = bench/sources/cost bench/sources/load
EXTRA_PROGRAMS += $(bench_sources_programs)
CLEANFILES += $(bench_sources_programs) bench/sources/results.txt bench/sources/sawtooth.png bench/sources/*.dat bench/sources/quick/*.dat bench/sources/quick/sawtooth.png
EXTRA_DIST += bench/sources/run bench/sources/plot.gp

bench_sources_cost_SOURCES = bench/sources/cost.c bench/bench.h bench/resident.h
bench_sources_cost_CFLAGS = $(bench_cflags)
bench_sources_cost_LDFLAGS = $(AM_LDFLAGS) -no-install
bench_sources_cost_LDADD = libctxalloc.la
# Not linked with the library: an allocator is preloaded.
bench_sources_load_SOURCES = bench/sources/load.c bench/replace.c bench/sawtooth.h bench/bench.h bench/resident.h
bench_sources_load_CFLAGS = $(bench_cflags)
bench_sources_load_LDADD = -ldl

bench_sources_run = CTXALLOC_LIB='$(abs_builddir)/.libs/libctxalloc.so' $(srcdir)/bench/sources/run bench
bench-sources: $(bench_sources_programs) bench/hello libctxalloc.la
	@{ $(bench_sources_run) bench/sources; echo $$? > bench/sources/status; } | tee bench/sources/results.txt; \
	status=`cat bench/sources/status`; rm -f bench/sources/status; exit $$status
bench-sources-quick: $(bench_sources_programs) bench/hello libctxalloc.la
	@$(bench_sources_run) bench/sources/quick --quick
.PHONY: bench-sources bench-sources-quick
