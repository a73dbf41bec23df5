# Sources and the attributes of contexts; docs/sources.md says which test shows which row.

if HAVE_CMOCKA
source_tests = tests/sources/heaps tests/sources/settings tests/sources/attributes tests/sources/arenas
else
source_tests =
endif
check_PROGRAMS += $(source_tests)
TESTS += $(source_tests)

source_headers = tests/sources/sources.h $(context_headers)
tests_sources_heaps_SOURCES = tests/sources/heaps.c $(source_headers)
tests_sources_heaps_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -fno-builtin
tests_sources_heaps_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS) -lpthread
tests_sources_settings_SOURCES = tests/sources/settings.c $(source_headers)
tests_sources_settings_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -fno-builtin
tests_sources_settings_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS) -lpthread
tests_sources_attributes_SOURCES = tests/sources/attributes.c $(source_headers)
tests_sources_attributes_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -fno-builtin
tests_sources_attributes_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS) -lpthread
tests_sources_arenas_SOURCES = tests/sources/arenas.c $(source_headers)
tests_sources_arenas_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -fno-builtin
tests_sources_arenas_LDADD = $(top_builddir)/libctxalloc.la $(CMOCKA_LIBS) -lpthread
