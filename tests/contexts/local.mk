# Contexts, row by row of what they promise; docs/contexts.md says which test shows which row. `tests/contexts/fork` and its like are plain programs of
# cmocka; under verdicts/ is one program a misuse.

if HAVE_CMOCKA
context_tests = tests/contexts/targets tests/contexts/engines tests/contexts/limits tests/contexts/destroy tests/contexts/marks tests/contexts/saves \
	tests/contexts/threads tests/contexts/run tests/contexts/fork tests/contexts/promoted tests/contexts/adopted tests/contexts/numa tests/contexts/libc tests/contexts/libc_fixed \
	tests/contexts/quarantine
if INTERPOSE
context_tests += tests/contexts/libc_archive tests/contexts/libc_archive_fixed
endif
else
context_tests =
endif
context_scripts = tests/contexts/limit.sh tests/contexts/unchecked.sh tests/contexts/verdicts/run
exception_tests = tests/contexts/exceptions
if INTERPOSE
exception_tests += tests/contexts/exceptions_static
endif
check_PROGRAMS += $(context_tests) $(exception_tests) tests/contexts/limited $(verdict_programs)
TESTS += $(context_tests) $(exception_tests) $(context_scripts)
dist_check_SCRIPTS += $(context_scripts)

# -fno-builtin: the compilers know too much of malloc, see tests/face.h.
context_headers = tests/contexts/contexts.h tests/abi/abi.h tests/face.h
tests_contexts_targets_SOURCES = tests/contexts/targets.c $(context_headers)
tests_contexts_targets_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -fno-builtin
tests_contexts_targets_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS) -lpthread
tests_contexts_libc_SOURCES = tests/contexts/libc.c $(context_headers)
tests_contexts_libc_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -fno-builtin
tests_contexts_libc_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS) -lpthread
tests_contexts_libc_fixed_SOURCES = $(tests_contexts_libc_SOURCES)
tests_contexts_libc_fixed_CFLAGS = $(tests_contexts_libc_CFLAGS) -fno-pie
tests_contexts_libc_fixed_LDFLAGS = $(AM_LDFLAGS) -no-pie
tests_contexts_libc_fixed_LDADD = $(tests_contexts_libc_LDADD)
tests_contexts_libc_archive_SOURCES = $(tests_contexts_libc_SOURCES)
tests_contexts_libc_archive_CFLAGS = $(tests_contexts_libc_CFLAGS)
tests_contexts_libc_archive_LDFLAGS = $(AM_LDFLAGS) -static
tests_contexts_libc_archive_LDADD = $(tests_contexts_libc_LDADD)
tests_contexts_libc_archive_fixed_SOURCES = $(tests_contexts_libc_SOURCES)
tests_contexts_libc_archive_fixed_CFLAGS = $(tests_contexts_libc_fixed_CFLAGS)
tests_contexts_libc_archive_fixed_LDFLAGS = $(AM_LDFLAGS) -static -no-pie
tests_contexts_libc_archive_fixed_LDADD = $(tests_contexts_libc_LDADD)
tests_contexts_engines_SOURCES = tests/contexts/engines.c $(context_headers)
tests_contexts_engines_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -fno-builtin
tests_contexts_engines_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS) -lpthread
tests_contexts_limits_SOURCES = tests/contexts/limits.c $(context_headers)
tests_contexts_limits_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -fno-builtin
tests_contexts_limits_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS) -lpthread
tests_contexts_destroy_SOURCES = tests/contexts/destroy.c $(context_headers)
tests_contexts_destroy_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -fno-builtin
tests_contexts_destroy_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS) -lpthread
tests_contexts_marks_SOURCES = tests/contexts/marks.c $(context_headers)
tests_contexts_marks_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -fno-builtin
tests_contexts_marks_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS) -lpthread
tests_contexts_quarantine_SOURCES = tests/contexts/quarantine.c $(context_headers)
tests_contexts_quarantine_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -fno-builtin
tests_contexts_quarantine_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS) -lpthread
tests_contexts_saves_SOURCES = tests/contexts/saves.c $(context_headers)
tests_contexts_saves_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -fno-builtin
tests_contexts_saves_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS) -lpthread
tests_contexts_threads_SOURCES = tests/contexts/threads.c $(context_headers)
tests_contexts_threads_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -fno-builtin
tests_contexts_threads_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS) -lpthread
tests_contexts_run_SOURCES = tests/contexts/run.c $(context_headers)
tests_contexts_run_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -fno-builtin
tests_contexts_run_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS) -lpthread
tests_contexts_fork_SOURCES = tests/contexts/fork.c $(context_headers)
tests_contexts_fork_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -fno-builtin
tests_contexts_fork_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS) -lpthread
tests_contexts_numa_SOURCES = tests/contexts/numa.c $(context_headers)
tests_contexts_numa_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -fno-builtin
tests_contexts_numa_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS) -lpthread
tests_contexts_promoted_SOURCES = tests/contexts/promoted.c $(context_headers)
tests_contexts_promoted_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -fno-builtin
tests_contexts_promoted_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS) -lpthread
tests_contexts_adopted_SOURCES = tests/contexts/adopted.c $(context_headers)
tests_contexts_adopted_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -fno-builtin
tests_contexts_adopted_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS) -lpthread
tests_contexts_exceptions_SOURCES = tests/contexts/exceptions.cc tests/face.h
tests_contexts_exceptions_CXXFLAGS = $(AM_CXXFLAGS) -fno-builtin
tests_contexts_exceptions_LDADD = $(top_builddir)/libctxalloc.la
# The compiler's runtime in the program: its unwinder is hidden from the library.
tests_contexts_exceptions_static_SOURCES = $(tests_contexts_exceptions_SOURCES)
tests_contexts_exceptions_static_CXXFLAGS = $(tests_contexts_exceptions_CXXFLAGS)
tests_contexts_exceptions_static_LDFLAGS = $(AM_LDFLAGS) -static-libgcc -static-libstdc++
tests_contexts_exceptions_static_LDADD = $(tests_contexts_exceptions_LDADD)
tests_contexts_limited_SOURCES = tests/contexts/limited.c tests/face.h
tests_contexts_limited_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_contexts_limited_LDADD = $(top_builddir)/libctxalloc.la

# The script finds the programs by their sources' names.
verdict_headers = tests/contexts/verdicts/verdict.h tests/misuse/misuse.h tests/face.h
verdict_ldadd = $(top_builddir)/libctxalloc.la -lpthread
verdict_programs = \
	tests/contexts/verdicts/after_reset_long \
	tests/contexts/verdicts/after_reset_short \
	tests/contexts/verdicts/after_reset_medium \
	tests/contexts/verdicts/double_free_medium \
	tests/contexts/verdicts/interior_medium \
	tests/contexts/verdicts/double_free_last_medium \
	tests/contexts/verdicts/double_free_medium_elsewhere \
	tests/contexts/verdicts/double_free_medium_merged \
	tests/contexts/verdicts/after_rollback \
	tests/contexts/verdicts/double_free_last_long \
	tests/contexts/verdicts/double_free_last_short \
	tests/contexts/verdicts/double_free_long \
	tests/contexts/verdicts/double_free_short \
	tests/contexts/verdicts/freed_context_by_other_thread \
	tests/contexts/verdicts/freed_context_child \
	tests/contexts/verdicts/freed_context_long_huge \
	tests/contexts/verdicts/freed_context_long_large \
	tests/contexts/verdicts/freed_context_long_medium \
	tests/contexts/verdicts/quarantine tests/contexts/verdicts/freed_context_long_small \
	tests/contexts/verdicts/freed_context_medium_huge \
	tests/contexts/verdicts/freed_context_medium_large \
	tests/contexts/verdicts/freed_context_medium_medium \
	tests/contexts/verdicts/freed_context_medium_small \
	tests/contexts/verdicts/freed_context_nameless \
	tests/contexts/verdicts/freed_context_of_thread \
	tests/contexts/verdicts/freed_context_realloc \
	tests/contexts/verdicts/freed_context_short_huge \
	tests/contexts/verdicts/freed_context_short_large \
	tests/contexts/verdicts/freed_context_short_medium \
	tests/contexts/verdicts/freed_context_short_small \
	tests/contexts/verdicts/freed_context_usable_size \
	tests/contexts/verdicts/interior_long \
	tests/contexts/verdicts/interior_short \
	tests/contexts/verdicts/interior_where_a_context_was \
	tests/contexts/verdicts/rollback_does_not_revive
tests_contexts_verdicts_interior_where_a_context_was_SOURCES = tests/contexts/verdicts/interior_where_a_context_was.c $(verdict_headers)
tests_contexts_verdicts_interior_where_a_context_was_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_after_reset_medium_SOURCES = tests/contexts/verdicts/after_reset_medium.c $(verdict_headers)
tests_contexts_verdicts_after_reset_medium_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_double_free_medium_SOURCES = tests/contexts/verdicts/double_free_medium.c $(verdict_headers)
tests_contexts_verdicts_double_free_medium_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_interior_medium_SOURCES = tests/contexts/verdicts/interior_medium.c $(verdict_headers)
tests_contexts_verdicts_interior_medium_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_double_free_last_medium_SOURCES = tests/contexts/verdicts/double_free_last_medium.c $(verdict_headers)
tests_contexts_verdicts_double_free_last_medium_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_double_free_medium_elsewhere_SOURCES = tests/contexts/verdicts/double_free_medium_elsewhere.c $(verdict_headers)
tests_contexts_verdicts_double_free_medium_elsewhere_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_double_free_medium_merged_SOURCES = tests/contexts/verdicts/double_free_medium_merged.c $(verdict_headers)
tests_contexts_verdicts_double_free_medium_merged_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_after_reset_long_SOURCES = tests/contexts/verdicts/after_reset_long.c $(verdict_headers)
tests_contexts_verdicts_after_reset_long_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_after_reset_short_SOURCES = tests/contexts/verdicts/after_reset_short.c $(verdict_headers)
tests_contexts_verdicts_after_reset_short_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_after_rollback_SOURCES = tests/contexts/verdicts/after_rollback.c $(verdict_headers)
tests_contexts_verdicts_after_rollback_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_double_free_last_long_SOURCES = tests/contexts/verdicts/double_free_last_long.c $(verdict_headers)
tests_contexts_verdicts_double_free_last_long_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_double_free_last_short_SOURCES = tests/contexts/verdicts/double_free_last_short.c $(verdict_headers)
tests_contexts_verdicts_double_free_last_short_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_double_free_long_SOURCES = tests/contexts/verdicts/double_free_long.c $(verdict_headers)
tests_contexts_verdicts_double_free_long_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_double_free_short_SOURCES = tests/contexts/verdicts/double_free_short.c $(verdict_headers)
tests_contexts_verdicts_double_free_short_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_freed_context_by_other_thread_SOURCES = tests/contexts/verdicts/freed_context_by_other_thread.c $(verdict_headers)
tests_contexts_verdicts_freed_context_by_other_thread_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_freed_context_child_SOURCES = tests/contexts/verdicts/freed_context_child.c $(verdict_headers)
tests_contexts_verdicts_freed_context_child_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_freed_context_long_huge_SOURCES = tests/contexts/verdicts/freed_context_long_huge.c $(verdict_headers)
tests_contexts_verdicts_freed_context_long_huge_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_freed_context_long_large_SOURCES = tests/contexts/verdicts/freed_context_long_large.c $(verdict_headers)
tests_contexts_verdicts_freed_context_long_large_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_freed_context_long_medium_SOURCES = tests/contexts/verdicts/freed_context_long_medium.c $(verdict_headers)
tests_contexts_verdicts_freed_context_long_medium_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_quarantine_SOURCES = tests/contexts/verdicts/quarantine.c $(verdict_headers)
tests_contexts_verdicts_quarantine_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_freed_context_long_small_SOURCES = tests/contexts/verdicts/freed_context_long_small.c $(verdict_headers)
tests_contexts_verdicts_freed_context_long_small_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_freed_context_medium_huge_SOURCES = tests/contexts/verdicts/freed_context_medium_huge.c $(verdict_headers)
tests_contexts_verdicts_freed_context_medium_huge_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_freed_context_medium_large_SOURCES = tests/contexts/verdicts/freed_context_medium_large.c $(verdict_headers)
tests_contexts_verdicts_freed_context_medium_large_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_freed_context_medium_medium_SOURCES = tests/contexts/verdicts/freed_context_medium_medium.c $(verdict_headers)
tests_contexts_verdicts_freed_context_medium_medium_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_freed_context_medium_small_SOURCES = tests/contexts/verdicts/freed_context_medium_small.c $(verdict_headers)
tests_contexts_verdicts_freed_context_medium_small_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_freed_context_nameless_SOURCES = tests/contexts/verdicts/freed_context_nameless.c $(verdict_headers)
tests_contexts_verdicts_freed_context_nameless_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_freed_context_of_thread_SOURCES = tests/contexts/verdicts/freed_context_of_thread.c $(verdict_headers)
tests_contexts_verdicts_freed_context_of_thread_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_freed_context_realloc_SOURCES = tests/contexts/verdicts/freed_context_realloc.c $(verdict_headers)
tests_contexts_verdicts_freed_context_realloc_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_freed_context_short_huge_SOURCES = tests/contexts/verdicts/freed_context_short_huge.c $(verdict_headers)
tests_contexts_verdicts_freed_context_short_huge_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_freed_context_short_large_SOURCES = tests/contexts/verdicts/freed_context_short_large.c $(verdict_headers)
tests_contexts_verdicts_freed_context_short_large_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_freed_context_short_medium_SOURCES = tests/contexts/verdicts/freed_context_short_medium.c $(verdict_headers)
tests_contexts_verdicts_freed_context_short_medium_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_freed_context_short_small_SOURCES = tests/contexts/verdicts/freed_context_short_small.c $(verdict_headers)
tests_contexts_verdicts_freed_context_short_small_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_freed_context_usable_size_SOURCES = tests/contexts/verdicts/freed_context_usable_size.c $(verdict_headers)
tests_contexts_verdicts_freed_context_usable_size_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_interior_long_SOURCES = tests/contexts/verdicts/interior_long.c $(verdict_headers)
tests_contexts_verdicts_interior_long_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_interior_short_SOURCES = tests/contexts/verdicts/interior_short.c $(verdict_headers)
tests_contexts_verdicts_interior_short_LDADD = $(verdict_ldadd)
tests_contexts_verdicts_rollback_does_not_revive_SOURCES = tests/contexts/verdicts/rollback_does_not_revive.c $(verdict_headers)
tests_contexts_verdicts_rollback_does_not_revive_LDADD = $(verdict_ldadd)
