# Threads, their ends, forks and signals, under load and with checked payloads. `tests/stress/soak SECONDS` runs for as long as told.

stress_programs = tests/stress/soak tests/stress/churn tests/stress/destructors tests/stress/forks tests/stress/signals \
	tests/stress/thread_local tests/stress/contexts
check_PROGRAMS += $(stress_programs)
TESTS += $(stress_programs)

# -fno-builtin: clang takes it that malloc does not set errno, and folds `errno = 0; malloc(…); errno`.
stress_ldadd = $(top_builddir)/libctxalloc.la -lpthread
stress_headers = tests/stress/stress.h tests/face.h

tests_stress_soak_SOURCES = tests/stress/soak.c $(stress_headers)
tests_stress_soak_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_stress_soak_LDADD = $(stress_ldadd)
tests_stress_churn_SOURCES = tests/stress/churn.c $(stress_headers)
tests_stress_churn_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_stress_churn_LDADD = $(stress_ldadd)
tests_stress_destructors_SOURCES = tests/stress/destructors.c $(stress_headers)
tests_stress_destructors_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_stress_destructors_LDADD = $(stress_ldadd)
tests_stress_forks_SOURCES = tests/stress/forks.c $(stress_headers)
tests_stress_forks_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_stress_forks_LDADD = $(stress_ldadd)
tests_stress_signals_SOURCES = tests/stress/signals.c $(stress_headers)
tests_stress_signals_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_stress_signals_LDADD = $(stress_ldadd)
tests_stress_contexts_SOURCES = tests/stress/contexts.c $(stress_headers)
tests_stress_contexts_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_stress_contexts_LDADD = $(stress_ldadd)
tests_stress_thread_local_SOURCES = tests/stress/thread_local.cc
tests_stress_thread_local_CXXFLAGS = $(AM_CXXFLAGS) -std=c++17
tests_stress_thread_local_LDADD = $(stress_ldadd)
