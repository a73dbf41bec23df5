# The public engines: every row of OR, OA, BA, SC has a test here that names it (docs/engines.md has the table).
# One line a program; `_long` ones do more with CTXALLOC_TEST_LONG=1.
tests_engine_programs =
if HAVE_CMOCKA
tests_engine_programs += tests/engine/tlsf
endif
tests_engine_headers = tests/engine/engine.h
check_PROGRAMS += $(tests_engine_programs)
TESTS += $(tests_engine_programs)

tests_engine_tlsf_SOURCES = tests/engine/tlsf.c $(tests_engine_headers)
tests_engine_tlsf_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_engine_tlsf_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS)
