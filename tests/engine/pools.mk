# Blocks, chunks and bumps: rows BA, SC and what CA asks of bumps, models, exhaustion, concurrency, builds without a C library, examples.
if HAVE_CMOCKA
tests_pools_cmocka = tests/engine/blocks tests/engine/chunks tests/engine/bump
else
tests_pools_cmocka =
endif
tests_pools_programs = $(tests_pools_cmocka) tests/engine/pools_random tests/engine/pools_exhaustive tests/engine/blocks_linear \
	tests/engine/blocks_killed tests/engine/blocks_interrupted examples/shared_ring
tests_pools_scripts = tests/engine/freestanding_pools.sh tests/engine/chunks_constant.sh tests/spin/run
check_PROGRAMS += $(tests_pools_programs)
dist_check_SCRIPTS += $(tests_pools_scripts)
TESTS += $(tests_pools_programs) $(tests_pools_scripts)
EXTRA_DIST += tests/spin/blocks.pml tests/engine/freestanding_pools.c examples/freestanding.c

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
tests_engine_blocks_interrupted_SOURCES = tests/engine/blocks_interrupted.c
tests_engine_blocks_interrupted_LDADD = $(top_builddir)/libctxalloc.la
examples_shared_ring_SOURCES = examples/shared_ring.c
examples_shared_ring_LDADD = $(top_builddir)/libctxalloc.la
