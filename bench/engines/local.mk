# `make bench-engines`: the engines against each other and against what BENCH_ENGINES names (bench/engines/run).
bench_engines_programs = bench/engines/replace bench/engines/worst
EXTRA_PROGRAMS += $(bench_engines_programs)
CLEANFILES += $(bench_engines_programs)
EXTRA_DIST += bench/engines/run

bench_engines_replace_SOURCES = bench/engines/replace.c bench/engines/adapter.h bench/engines/tlsf.c bench/engines/tlsf16.c \
	bench/engines/fit.c
bench_engines_replace_CFLAGS = $(AM_CFLAGS) -O2
bench_engines_replace_LDADD = libctxalloc.la -ldl
bench_engines_worst_SOURCES = bench/engines/worst.c bench/engines/adapter.h
bench_engines_worst_CFLAGS = $(AM_CFLAGS) -O2
bench_engines_worst_LDADD = libctxalloc.la

bench-engines: $(bench_engines_programs)
	@$(srcdir)/bench/engines/run

bench-engines-quick: $(bench_engines_programs)
	@$(srcdir)/bench/engines/run --quick

.PHONY: bench-engines bench-engines-quick
