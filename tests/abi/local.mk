# The contract of the malloc face, function by function.

if HAVE_CMOCKA
tests_abi_programs = tests/abi/zero tests/abi/limits tests/abi/blocks tests/abi/resize tests/abi/info
else
tests_abi_programs =
endif
check_PROGRAMS += $(tests_abi_programs) tests/abi/new
TESTS += $(tests_abi_programs) tests/abi/new tests/abi/symbols tests/abi/needed tests/abi/order
dist_check_SCRIPTS += tests/abi/symbols tests/abi/needed tests/abi/order
EXTRA_DIST += tests/abi/symbols.txt

tests_abi_zero_SOURCES = tests/abi/zero.c tests/abi/abi.h tests/face.h
tests_abi_zero_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -fno-builtin
tests_abi_zero_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS)
tests_abi_limits_SOURCES = tests/abi/limits.c tests/abi/abi.h tests/face.h
tests_abi_limits_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -fno-builtin
tests_abi_limits_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS)
tests_abi_blocks_SOURCES = tests/abi/blocks.c tests/abi/abi.h tests/face.h
tests_abi_blocks_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -fno-builtin
tests_abi_blocks_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS)
tests_abi_resize_SOURCES = tests/abi/resize.c tests/abi/abi.h tests/face.h
tests_abi_resize_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -fno-builtin
tests_abi_resize_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS)
tests_abi_info_SOURCES = tests/abi/info.c tests/abi/abi.h tests/face.h
tests_abi_info_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -fno-builtin
tests_abi_info_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS)

tests_abi_new_SOURCES = tests/abi/new.cc tests/face.h
tests_abi_new_CXXFLAGS = $(AM_CXXFLAGS) -std=c++17 -fno-builtin
tests_abi_new_LDADD = $(top_builddir)/libctxalloc.la
