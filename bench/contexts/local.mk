# Contexts against what stands for them elsewhere: `make bench-contexts` measures, `make bench-contexts-quick` checks that it runs.

contexts_programs = bench/contexts/ctxalloc bench/contexts/obstack bench/contexts/pmr bench/contexts/malloc
if HAVE_APR
contexts_programs += bench/contexts/apr
endif
if HAVE_TALLOC
contexts_programs += bench/contexts/talloc
endif
if HAVE_MIMALLOC
contexts_programs += bench/contexts/mimalloc
endif
if HAVE_JEMALLOC
contexts_programs += bench/contexts/jemalloc
endif
EXTRA_PROGRAMS += $(contexts_programs)
CLEANFILES += $(contexts_programs) bench/contexts/results.txt

contexts_headers = bench/contexts/scenarios.h bench/bench.h bench/resident.h
bench_contexts_ctxalloc_SOURCES = bench/contexts/ctxalloc.c $(contexts_headers)
bench_contexts_ctxalloc_CFLAGS = $(bench_cflags)
bench_contexts_ctxalloc_LDFLAGS = $(AM_LDFLAGS) -no-install
bench_contexts_ctxalloc_LDADD = libctxalloc.la
bench_contexts_obstack_SOURCES = bench/contexts/obstack.c $(contexts_headers)
bench_contexts_obstack_CFLAGS = $(bench_cflags)
bench_contexts_pmr_SOURCES = bench/contexts/pmr.cc $(contexts_headers)
bench_contexts_pmr_CXXFLAGS = $(AM_CXXFLAGS) $(bench_keep_calls) -O2
bench_contexts_malloc_SOURCES = bench/contexts/malloc.c $(contexts_headers)
bench_contexts_malloc_CFLAGS = $(bench_cflags)
bench_contexts_apr_SOURCES = bench/contexts/apr.c $(contexts_headers)
bench_contexts_apr_CFLAGS = $(bench_cflags) $(APR_CFLAGS)
bench_contexts_apr_LDADD = $(APR_LIBS)
bench_contexts_talloc_SOURCES = bench/contexts/talloc.c $(contexts_headers)
bench_contexts_talloc_CFLAGS = $(bench_cflags) $(TALLOC_CFLAGS)
bench_contexts_talloc_LDADD = $(TALLOC_LIBS)
bench_contexts_mimalloc_SOURCES = bench/contexts/mimalloc.c $(contexts_headers)
bench_contexts_mimalloc_CFLAGS = $(bench_cflags)
bench_contexts_mimalloc_LDADD = -lmimalloc
bench_contexts_jemalloc_SOURCES = bench/contexts/jemalloc.c $(contexts_headers)
bench_contexts_jemalloc_CFLAGS = $(bench_cflags)
bench_contexts_jemalloc_LDADD = -ljemalloc

EXTRA_DIST += bench/contexts/run

contexts_run = $(srcdir)/bench/contexts/run bench/contexts
bench-contexts: $(contexts_programs)
	@{ $(contexts_run); echo $$? > bench/contexts/status; } | tee bench/contexts/results.txt; \
	status=`cat bench/contexts/status`; rm -f bench/contexts/status; exit $$status

bench-contexts-quick: $(contexts_programs)
	@$(contexts_run) --quick

.PHONY: bench-contexts bench-contexts-quick
