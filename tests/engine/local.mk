# The public engines: every row of OR, OA, BA, SC has a test here that names it (docs/engines.md has the table).
# One line a program; `_long` ones do more with CTXALLOC_TEST_LONG=1.
tests_engine_programs =
if HAVE_CMOCKA
tests_engine_programs += tests/engine/tlsf
tests_engine_programs += tests/engine/blocks tests/engine/chunks tests/engine/bump
endif
tests_engine_programs += tests/engine/pools_random tests/engine/pools_exhaustive tests/engine/blocks_linear tests/engine/blocks_killed
tests_engine_headers = tests/engine/engine.h
check_PROGRAMS += $(tests_engine_programs)
TESTS += $(tests_engine_programs)

tests_engine_tlsf_SOURCES = tests/engine/tlsf.c $(tests_engine_headers)
tests_engine_tlsf_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_engine_tlsf_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS)
tests_engine_blocks_SOURCES = tests/engine/blocks.c tests/unit/cmocka_face.h
tests_engine_blocks_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_engine_blocks_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS)
tests_engine_chunks_SOURCES = tests/engine/chunks.c tests/unit/cmocka_face.h
tests_engine_chunks_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_engine_chunks_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS)
tests_engine_bump_SOURCES = tests/engine/bump.c tests/unit/cmocka_face.h
tests_engine_bump_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_engine_bump_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS)
tests_engine_pools_random_SOURCES = tests/engine/pools_random.c
tests_engine_pools_random_LDADD = $(top_builddir)/libctxalloc.la
tests_engine_pools_exhaustive_SOURCES = tests/engine/pools_exhaustive.c
tests_engine_pools_exhaustive_LDADD = $(top_builddir)/libctxalloc.la
tests_engine_blocks_linear_SOURCES = tests/engine/blocks_linear.c
tests_engine_blocks_linear_LDADD = $(top_builddir)/libctxalloc.la -lpthread
tests_engine_blocks_killed_SOURCES = tests/engine/blocks_killed.c
tests_engine_blocks_killed_LDADD = $(top_builddir)/libctxalloc.la
