# What the library says of itself: statistics as JSON, walks of live blocks, heap profiles, stacks in the report of what is left in a context.

if HAVE_CMOCKA
reports_tests = tests/reports/walk
else
reports_tests =
endif
reports_programs = tests/reports/stats tests/reports/profile tests/reports/trace
reports_scripts = tests/reports/unchecked.sh tests/reports/stats.sh tests/reports/profile.sh tests/reports/trace.sh
check_PROGRAMS += $(reports_tests) $(reports_programs)
TESTS += $(reports_tests) $(reports_scripts)
dist_check_SCRIPTS += $(reports_scripts) tests/reports/profile.py

tests_reports_walk_SOURCES = tests/reports/walk.c $(context_headers)
tests_reports_walk_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -fno-builtin
tests_reports_walk_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS) -lpthread
tests_reports_stats_SOURCES = tests/reports/stats.c tests/face.h
tests_reports_stats_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_reports_stats_LDADD = $(top_builddir)/libctxalloc.la
# The sites are told apart by their addresses.
tests_reports_profile_SOURCES = tests/reports/profile.c tests/face.h
tests_reports_profile_CFLAGS = $(AM_CFLAGS) -fno-builtin -fno-optimize-sibling-calls -fno-lto -g
tests_reports_profile_LDADD = $(top_builddir)/libctxalloc.la -lpthread
tests_reports_trace_SOURCES = tests/reports/trace.c tests/face.h
tests_reports_trace_CFLAGS = $(AM_CFLAGS) -fno-builtin -fno-optimize-sibling-calls -fno-lto -g
tests_reports_trace_LDADD = $(top_builddir)/libctxalloc.la
