# The public engines: every row of OR, OA, BA, SC has a test here that names it (docs/engines.md has the table).
# One line a program; `_long` ones do more with CTXALLOC_TEST_LONG=1.
tests_engine_programs = tests/engine/error tests/engine/random tests/engine/exhaustive
if HAVE_CMOCKA
tests_engine_programs += tests/engine/ranges
endif
tests_engine_headers = tests/engine/engine.h
check_PROGRAMS += $(tests_engine_programs)
TESTS += $(tests_engine_programs)

tests_engine_ranges_SOURCES = tests/engine/ranges.c $(tests_engine_headers)
tests_engine_ranges_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_engine_ranges_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS)
tests_engine_error_SOURCES = tests/engine/error.c
tests_engine_random_SOURCES = tests/engine/random.c $(tests_engine_headers)
tests_engine_random_LDADD = $(top_builddir)/libctxalloc.la
tests_engine_exhaustive_SOURCES = tests/engine/exhaustive.c $(tests_engine_headers) tests/engine/canonical.h tests/engine/canonical_tlsf.h \
	tests/engine/canonical_tlsf32.c tests/engine/canonical_tlsf16.c tests/engine/canonical_fit.h tests/engine/canonical_fit32.c \
	tests/engine/canonical_fit64.c
tests_engine_exhaustive_LDADD = $(top_builddir)/libctxalloc.la
dist_check_SCRIPTS += tests/engine/freestanding.sh
TESTS += tests/engine/freestanding.sh
