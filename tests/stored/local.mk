# Heaps in files and shared memory (N4, N10); docs/files.md says which test shows which promise.
stored_programs = tests/stored/files tests/stored/steps tests/stored/shared tests/stored/kill tests/stored/power
if FAULTS
stored_programs += tests/stored/faults
endif
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
# The checker, with what the example has stored.
dist_check_SCRIPTS += tests/stored/fsck.sh
TESTS += tests/stored/fsck.sh

# A thousand kills, and ten times the losses of power: a minute and a half.
check-kill: tests/stored/kill tests/stored/power
	./tests/stored/kill 1000
	CTXALLOC_TEST_LONG=1 ./tests/stored/power
.PHONY: check-kill

tests_stored_steps_SOURCES = tests/stored/steps.c $(stored_headers)
tests_stored_steps_LDADD = $(top_builddir)/libcore.la -lpthread
tests_stored_faults_SOURCES = tests/stored/faults.c $(stored_headers)
tests_stored_faults_LDADD = $(top_builddir)/libcore.la -lpthread
