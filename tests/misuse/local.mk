# One program a misuse. The script finds the programs by their sources' names.

misuse_programs = \
	tests/misuse/double_free_after_frees \
	tests/misuse/double_free_after_operations \
	tests/misuse/double_free_after_other_thread \
	tests/misuse/double_free_after_realloc_zero \
	tests/misuse/double_free_after_trim \
	tests/misuse/double_free_aligned \
	tests/misuse/double_free_aligned_large \
	tests/misuse/double_free_by_two_threads \
	tests/misuse/double_free_calloc \
	tests/misuse/double_free_huge \
	tests/misuse/double_free_in_other_thread \
	tests/misuse/double_free_large \
	tests/misuse/double_free_large_after_frees \
	tests/misuse/double_free_large_by_two_threads \
	tests/misuse/double_free_large_in_other_thread \
	tests/misuse/double_free_medium \
	tests/misuse/double_free_medium_after_frees \
	tests/misuse/double_free_medium_by_two_threads \
	tests/misuse/double_free_moved \
	tests/misuse/double_free_small \
	tests/misuse/double_free_zero_size \
	tests/misuse/foreign_global \
	tests/misuse/foreign_stack \
	tests/misuse/full_double_free_by_two_threads \
	tests/misuse/full_overflow \
	tests/misuse/full_overflow_large \
	tests/misuse/full_sized_free \
	tests/misuse/full_write_after_free \
	tests/misuse/interior_aligned \
	tests/misuse/interior_huge \
	tests/misuse/interior_in_other_thread \
	tests/misuse/interior_in_other_thread_after_frees \
	tests/misuse/interior_large \
	tests/misuse/interior_last \
	tests/misuse/interior_medium \
	tests/misuse/interior_small \
	tests/misuse/misaligned_eight \
	tests/misuse/misaligned_freed \
	tests/misuse/misaligned_large \
	tests/misuse/misaligned_medium \
	tests/misuse/misaligned_one \
	tests/misuse/never_allocated_far \
	tests/misuse/never_allocated_next \
	tests/misuse/no_misuse \
	tests/misuse/realloc_freed \
	tests/misuse/realloc_freed_huge \
	tests/misuse/realloc_freed_large \
	tests/misuse/realloc_freed_medium \
	tests/misuse/realloc_freed_to_zero \
	tests/misuse/realloc_interior \
	tests/misuse/realloc_misaligned \
	tests/misuse/usable_size_freed \
	tests/misuse/usable_size_freed_large \
	tests/misuse/usable_size_interior
check_PROGRAMS += $(misuse_programs)
TESTS += tests/misuse/run
dist_check_SCRIPTS += tests/misuse/run

misuse_ldadd = $(top_builddir)/libctxalloc.la -lpthread

tests_misuse_double_free_after_frees_SOURCES = tests/misuse/double_free_after_frees.c tests/misuse/misuse.h tests/face.h
tests_misuse_double_free_after_frees_LDADD = $(misuse_ldadd)
tests_misuse_double_free_after_operations_SOURCES = tests/misuse/double_free_after_operations.c tests/misuse/misuse.h tests/face.h
tests_misuse_double_free_after_operations_LDADD = $(misuse_ldadd)
tests_misuse_double_free_after_other_thread_SOURCES = tests/misuse/double_free_after_other_thread.c tests/misuse/misuse.h tests/face.h
tests_misuse_double_free_after_other_thread_LDADD = $(misuse_ldadd)
tests_misuse_double_free_after_realloc_zero_SOURCES = tests/misuse/double_free_after_realloc_zero.c tests/misuse/misuse.h tests/face.h
tests_misuse_double_free_after_realloc_zero_LDADD = $(misuse_ldadd)
tests_misuse_double_free_after_trim_SOURCES = tests/misuse/double_free_after_trim.c tests/misuse/misuse.h tests/face.h
tests_misuse_double_free_after_trim_LDADD = $(misuse_ldadd)
tests_misuse_double_free_aligned_SOURCES = tests/misuse/double_free_aligned.c tests/misuse/misuse.h tests/face.h
tests_misuse_double_free_aligned_LDADD = $(misuse_ldadd)
tests_misuse_double_free_aligned_large_SOURCES = tests/misuse/double_free_aligned_large.c tests/misuse/misuse.h tests/face.h
tests_misuse_double_free_aligned_large_LDADD = $(misuse_ldadd)
tests_misuse_double_free_by_two_threads_SOURCES = tests/misuse/double_free_by_two_threads.c tests/misuse/misuse.h tests/face.h
tests_misuse_double_free_by_two_threads_LDADD = $(misuse_ldadd)
tests_misuse_double_free_calloc_SOURCES = tests/misuse/double_free_calloc.c tests/misuse/misuse.h tests/face.h
tests_misuse_double_free_calloc_LDADD = $(misuse_ldadd)
tests_misuse_double_free_huge_SOURCES = tests/misuse/double_free_huge.c tests/misuse/misuse.h tests/face.h
tests_misuse_double_free_huge_LDADD = $(misuse_ldadd)
tests_misuse_double_free_in_other_thread_SOURCES = tests/misuse/double_free_in_other_thread.c tests/misuse/misuse.h tests/face.h
tests_misuse_double_free_in_other_thread_LDADD = $(misuse_ldadd)
tests_misuse_double_free_large_SOURCES = tests/misuse/double_free_large.c tests/misuse/misuse.h tests/face.h
tests_misuse_double_free_large_LDADD = $(misuse_ldadd)
tests_misuse_double_free_large_after_frees_SOURCES = tests/misuse/double_free_large_after_frees.c tests/misuse/misuse.h tests/face.h
tests_misuse_double_free_large_after_frees_LDADD = $(misuse_ldadd)
tests_misuse_double_free_large_by_two_threads_SOURCES = tests/misuse/double_free_large_by_two_threads.c tests/misuse/misuse.h tests/face.h
tests_misuse_double_free_large_by_two_threads_LDADD = $(misuse_ldadd)
tests_misuse_double_free_large_in_other_thread_SOURCES = tests/misuse/double_free_large_in_other_thread.c tests/misuse/misuse.h tests/face.h
tests_misuse_double_free_large_in_other_thread_LDADD = $(misuse_ldadd)
tests_misuse_double_free_medium_SOURCES = tests/misuse/double_free_medium.c tests/misuse/misuse.h tests/face.h
tests_misuse_double_free_medium_LDADD = $(misuse_ldadd)
tests_misuse_double_free_medium_after_frees_SOURCES = tests/misuse/double_free_medium_after_frees.c tests/misuse/misuse.h tests/face.h
tests_misuse_double_free_medium_after_frees_LDADD = $(misuse_ldadd)
tests_misuse_double_free_medium_by_two_threads_SOURCES = tests/misuse/double_free_medium_by_two_threads.c tests/misuse/misuse.h tests/face.h
tests_misuse_double_free_medium_by_two_threads_LDADD = $(misuse_ldadd)
tests_misuse_double_free_moved_SOURCES = tests/misuse/double_free_moved.c tests/misuse/misuse.h tests/face.h
tests_misuse_double_free_moved_LDADD = $(misuse_ldadd)
tests_misuse_double_free_small_SOURCES = tests/misuse/double_free_small.c tests/misuse/misuse.h tests/face.h
tests_misuse_double_free_small_LDADD = $(misuse_ldadd)
tests_misuse_double_free_zero_size_SOURCES = tests/misuse/double_free_zero_size.c tests/misuse/misuse.h tests/face.h
tests_misuse_double_free_zero_size_LDADD = $(misuse_ldadd)
tests_misuse_foreign_global_SOURCES = tests/misuse/foreign_global.c tests/misuse/misuse.h tests/face.h
tests_misuse_foreign_global_LDADD = $(misuse_ldadd)
tests_misuse_foreign_stack_SOURCES = tests/misuse/foreign_stack.c tests/misuse/misuse.h tests/face.h
tests_misuse_foreign_stack_LDADD = $(misuse_ldadd)
tests_misuse_interior_aligned_SOURCES = tests/misuse/interior_aligned.c tests/misuse/misuse.h tests/face.h
tests_misuse_interior_aligned_LDADD = $(misuse_ldadd)
tests_misuse_interior_huge_SOURCES = tests/misuse/interior_huge.c tests/misuse/misuse.h tests/face.h
tests_misuse_interior_huge_LDADD = $(misuse_ldadd)
tests_misuse_interior_in_other_thread_SOURCES = tests/misuse/interior_in_other_thread.c tests/misuse/misuse.h tests/face.h
tests_misuse_interior_in_other_thread_LDADD = $(misuse_ldadd)
tests_misuse_interior_in_other_thread_after_frees_SOURCES = tests/misuse/interior_in_other_thread_after_frees.c tests/misuse/misuse.h tests/face.h
tests_misuse_interior_in_other_thread_after_frees_LDADD = $(misuse_ldadd)
tests_misuse_interior_large_SOURCES = tests/misuse/interior_large.c tests/misuse/misuse.h tests/face.h
tests_misuse_interior_large_LDADD = $(misuse_ldadd)
tests_misuse_interior_last_SOURCES = tests/misuse/interior_last.c tests/misuse/misuse.h tests/face.h
tests_misuse_interior_last_LDADD = $(misuse_ldadd)
tests_misuse_interior_medium_SOURCES = tests/misuse/interior_medium.c tests/misuse/misuse.h tests/face.h
tests_misuse_interior_medium_LDADD = $(misuse_ldadd)
tests_misuse_interior_small_SOURCES = tests/misuse/interior_small.c tests/misuse/misuse.h tests/face.h
tests_misuse_interior_small_LDADD = $(misuse_ldadd)
tests_misuse_misaligned_eight_SOURCES = tests/misuse/misaligned_eight.c tests/misuse/misuse.h tests/face.h
tests_misuse_misaligned_eight_LDADD = $(misuse_ldadd)
tests_misuse_misaligned_freed_SOURCES = tests/misuse/misaligned_freed.c tests/misuse/misuse.h tests/face.h
tests_misuse_misaligned_freed_LDADD = $(misuse_ldadd)
tests_misuse_misaligned_large_SOURCES = tests/misuse/misaligned_large.c tests/misuse/misuse.h tests/face.h
tests_misuse_misaligned_large_LDADD = $(misuse_ldadd)
tests_misuse_misaligned_medium_SOURCES = tests/misuse/misaligned_medium.c tests/misuse/misuse.h tests/face.h
tests_misuse_misaligned_medium_LDADD = $(misuse_ldadd)
tests_misuse_misaligned_one_SOURCES = tests/misuse/misaligned_one.c tests/misuse/misuse.h tests/face.h
tests_misuse_misaligned_one_LDADD = $(misuse_ldadd)
tests_misuse_never_allocated_far_SOURCES = tests/misuse/never_allocated_far.c tests/misuse/misuse.h tests/face.h
tests_misuse_never_allocated_far_LDADD = $(misuse_ldadd)
tests_misuse_never_allocated_next_SOURCES = tests/misuse/never_allocated_next.c tests/misuse/misuse.h tests/face.h
tests_misuse_never_allocated_next_LDADD = $(misuse_ldadd)
tests_misuse_no_misuse_SOURCES = tests/misuse/no_misuse.c tests/misuse/misuse.h tests/face.h
tests_misuse_no_misuse_LDADD = $(misuse_ldadd)
tests_misuse_realloc_freed_SOURCES = tests/misuse/realloc_freed.c tests/misuse/misuse.h tests/face.h
tests_misuse_realloc_freed_LDADD = $(misuse_ldadd)
tests_misuse_realloc_freed_huge_SOURCES = tests/misuse/realloc_freed_huge.c tests/misuse/misuse.h tests/face.h
tests_misuse_realloc_freed_huge_LDADD = $(misuse_ldadd)
tests_misuse_realloc_freed_large_SOURCES = tests/misuse/realloc_freed_large.c tests/misuse/misuse.h tests/face.h
tests_misuse_realloc_freed_large_LDADD = $(misuse_ldadd)
tests_misuse_realloc_freed_medium_SOURCES = tests/misuse/realloc_freed_medium.c tests/misuse/misuse.h tests/face.h
tests_misuse_realloc_freed_medium_LDADD = $(misuse_ldadd)
tests_misuse_realloc_freed_to_zero_SOURCES = tests/misuse/realloc_freed_to_zero.c tests/misuse/misuse.h tests/face.h
tests_misuse_realloc_freed_to_zero_LDADD = $(misuse_ldadd)
tests_misuse_realloc_interior_SOURCES = tests/misuse/realloc_interior.c tests/misuse/misuse.h tests/face.h
tests_misuse_realloc_interior_LDADD = $(misuse_ldadd)
tests_misuse_realloc_misaligned_SOURCES = tests/misuse/realloc_misaligned.c tests/misuse/misuse.h tests/face.h
tests_misuse_realloc_misaligned_LDADD = $(misuse_ldadd)
tests_misuse_usable_size_freed_SOURCES = tests/misuse/usable_size_freed.c tests/misuse/misuse.h tests/face.h
tests_misuse_usable_size_freed_LDADD = $(misuse_ldadd)
tests_misuse_usable_size_freed_large_SOURCES = tests/misuse/usable_size_freed_large.c tests/misuse/misuse.h tests/face.h
tests_misuse_usable_size_freed_large_LDADD = $(misuse_ldadd)
tests_misuse_usable_size_interior_SOURCES = tests/misuse/usable_size_interior.c tests/misuse/misuse.h tests/face.h
tests_misuse_usable_size_interior_LDADD = $(misuse_ldadd)
tests_misuse_full_double_free_by_two_threads_SOURCES = tests/misuse/full_double_free_by_two_threads.c tests/misuse/misuse.h tests/face.h
tests_misuse_full_double_free_by_two_threads_LDADD = $(misuse_ldadd)
tests_misuse_full_overflow_SOURCES = tests/misuse/full_overflow.c tests/misuse/misuse.h tests/face.h
tests_misuse_full_overflow_LDADD = $(misuse_ldadd)
tests_misuse_full_overflow_large_SOURCES = tests/misuse/full_overflow_large.c tests/misuse/misuse.h tests/face.h
tests_misuse_full_overflow_large_LDADD = $(misuse_ldadd)
tests_misuse_full_sized_free_SOURCES = tests/misuse/full_sized_free.c tests/misuse/misuse.h tests/face.h
tests_misuse_full_sized_free_LDADD = $(misuse_ldadd)
tests_misuse_full_write_after_free_SOURCES = tests/misuse/full_write_after_free.c tests/misuse/misuse.h tests/face.h
tests_misuse_full_write_after_free_LDADD = $(misuse_ldadd)
