# `make bench-engines` runs this too.
EXTRA_PROGRAMS += bench/engines/pools
CLEANFILES += bench/engines/pools
# Linked statically, as an embedded engine is, and as the originals are.
bench_engines_pools_SOURCES = bench/engines/pools.c bench/engines/step.h bench/bench.h src/api/engine_pools.c
bench_engines_pools_CFLAGS = $(bench_cflags)
bench_engines_pools_LDADD = $(top_builddir)/libcore.la -lpthread

bench-engines-pools: bench/engines/pools
	@bench/engines/pools
bench-engines: bench-engines-pools
.PHONY: bench-engines bench-engines-pools
