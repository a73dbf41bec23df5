# NUMA on machines with several nodes, in QEMU. Not part of `make check`: it downloads a kernel and takes its time; ./check and CI call check-numa-quick.
numa_programs = tests/numa/place tests/numa/limits tests/numa/finish
EXTRA_PROGRAMS += $(numa_programs)
CLEANFILES += $(numa_programs)
EXTRA_DIST += tests/numa/run tests/numa/init

tests_numa_place_SOURCES = tests/numa/place.c tests/numa/numa.h
tests_numa_place_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_numa_place_LDFLAGS = $(AM_LDFLAGS) -no-install
tests_numa_place_LDADD = $(top_builddir)/libctxalloc.la -lpthread
tests_numa_limits_SOURCES = tests/numa/limits.c tests/numa/numa.h
tests_numa_limits_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_numa_limits_LDFLAGS = $(AM_LDFLAGS) -no-install
tests_numa_limits_LDADD = $(top_builddir)/libctxalloc.la -lpthread
tests_numa_finish_SOURCES = tests/numa/finish.c

numa_run = builddir='$(abs_builddir)' srcdir='$(abs_srcdir)' CTXALLOC_LIB='$(abs_builddir)/.libs/libctxalloc.so' $(srcdir)/tests/numa/run
check-numa: $(numa_programs) libctxalloc.la
	$(numa_run) --self
	$(numa_run)
check-numa-case: $(numa_programs) libctxalloc.la
	$(numa_run) $(CASES)
check-numa-quick: $(numa_programs) libctxalloc.la
	$(numa_run) --quick
clean-local: clean-numa
clean-numa:
	rm -rf tests/numa/guest
.PHONY: check-numa check-numa-quick check-numa-case clean-numa
