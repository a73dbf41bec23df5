# `make bench-engines` runs this too.
EXTRA_PROGRAMS += bench/engines/pools
CLEANFILES += bench/engines/pools
bench_engines_pools_SOURCES = bench/engines/pools.c bench/engines/step.h bench/bench.h
bench_engines_pools_CFLAGS = $(bench_cflags)
bench_engines_pools_LDADD = $(top_builddir)/libctxalloc.la -lpthread

bench-engines-pools: bench/engines/pools
	@bench/engines/pools
bench-engines: bench-engines-pools
.PHONY: bench-engines bench-engines-pools
