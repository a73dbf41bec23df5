# Adaptors (CA25), with the real libraries. The scripts compile the examples as a user would, with gcc and clang.
example_tests = examples/lua.sh examples/sqlite.sh examples/libuv.sh examples/pool.sh
dist_check_SCRIPTS += $(example_tests)
TESTS += $(example_tests)
EXTRA_DIST += examples/lib.sh examples/must.h examples/lua.c examples/sqlite.c examples/libuv.c examples/pool.c examples/pool.h

# Programs to copy from, run as tests.
example_programs = examples/server/server examples/server/load
check_PROGRAMS += $(example_programs)
dist_check_SCRIPTS += examples/server/test.sh
TESTS += examples/server/test.sh

examples_server_server_SOURCES = examples/server/server.c examples/server/words.c examples/server/words.h
examples_server_server_CPPFLAGS = -D_GNU_SOURCE -I$(top_srcdir)/include
examples_server_server_LDFLAGS = $(AM_LDFLAGS) -no-install
examples_server_server_LDADD = $(top_builddir)/libctxalloc.la
examples_server_load_SOURCES = examples/server/load.c examples/server/words.c examples/server/words.h
examples_server_load_CPPFLAGS = -D_GNU_SOURCE

# Real uses of the engines; each is run as a test.
examples_programs = examples/gpu_buffer examples/file_space examples/numa_context
check_PROGRAMS += $(examples_programs)
dist_check_SCRIPTS += examples/gpu_buffer.sh examples/file_space.sh
TESTS += examples/gpu_buffer.sh examples/file_space.sh

TESTS += examples/numa_context
examples_numa_context_SOURCES = examples/numa_context.c
examples_numa_context_LDADD = $(top_builddir)/libctxalloc.la -lpthread
examples_gpu_buffer_SOURCES = examples/gpu_buffer.c
examples_gpu_buffer_LDADD = $(top_builddir)/libctxalloc.la
examples_file_space_SOURCES = examples/file_space.c
examples_file_space_LDADD = $(top_builddir)/libctxalloc.la

# Heaps in files and shared memory.
examples_stored = examples/file_index examples/shared_heap
check_PROGRAMS += $(examples_stored)
dist_check_SCRIPTS += examples/file_index.sh
TESTS += examples/file_index.sh examples/shared_heap
examples_file_index_SOURCES = examples/file_index.c
examples_file_index_LDADD = $(top_builddir)/libctxalloc.la
examples_file_index_LDFLAGS = $(AM_LDFLAGS) -no-install
examples_shared_heap_SOURCES = examples/shared_heap.c
examples_shared_heap_LDADD = $(top_builddir)/libctxalloc.la
