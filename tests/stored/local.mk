# Heaps in files and shared memory (N4, N10); docs/files.md says which test shows which promise.
stored_programs = tests/stored/files tests/stored/shared tests/stored/kill tests/stored/power
check_PROGRAMS += $(stored_programs)
TESTS += $(stored_programs)

stored_headers = tests/stored/stored.h tests/face.h
tests_stored_files_SOURCES = tests/stored/files.c $(stored_headers)
tests_stored_files_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_stored_files_LDADD = $(top_builddir)/libctxalloc.la -lpthread
tests_stored_shared_SOURCES = tests/stored/shared.c $(stored_headers)
tests_stored_shared_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_stored_shared_LDADD = $(top_builddir)/libctxalloc.la -lpthread
tests_stored_kill_SOURCES = tests/stored/kill.c $(stored_headers)
tests_stored_kill_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_stored_kill_LDADD = $(top_builddir)/libctxalloc.la -lpthread
# The layers themselves: fdatasync is the test's.
tests_stored_power_SOURCES = tests/stored/power.c $(stored_headers)
tests_stored_power_LDADD = $(top_builddir)/libcore.la -lpthread
