# One program a module, linked to the layers without the malloc faces: the C library's malloc stays.

if HAVE_CMOCKA
tests_unit_cmocka = tests/unit/bin tests/unit/tlsf tests/unit/tlsf_audit tests/unit/live tests/unit/slab tests/unit/heap \
	tests/unit/bump tests/unit/chunked tests/unit/account tests/unit/base tests/unit/out tests/unit/options tests/unit/region_far tests/unit/zones tests/unit/remote tests/unit/numa_policy
else
tests_unit_cmocka =
endif
if FAULTS
tests_unit_faults_program = tests/unit/faults tests/unit/faults_context tests/unit/faults_sources tests/unit/faults_numa
else
tests_unit_faults_program =
endif
tests_unit_programs = $(tests_unit_cmocka) tests/unit/bin_exhaustive tests/unit/tlsf_exhaustive $(tests_unit_faults_program)
check_PROGRAMS += $(tests_unit_programs)
TESTS += $(tests_unit_programs)
tests_unit_headers = tests/unit/cmocka_face.h tests/unit/heap_face.h tests/unit/tlsf_fixture.h

tests_unit_bin_exhaustive_SOURCES = tests/unit/bin_exhaustive.c
tests_unit_tlsf_exhaustive_SOURCES = tests/unit/tlsf_exhaustive.c
tests_unit_tlsf_exhaustive_LDADD = $(top_builddir)/libcore.la
tests_unit_faults_SOURCES = tests/unit/faults.c tests/unit/heap_face.h
tests_unit_faults_LDADD = $(top_builddir)/libcore.la
tests_unit_faults_numa_SOURCES = tests/unit/faults_numa.c
tests_unit_faults_numa_LDADD = $(top_builddir)/libcore.la
tests_unit_faults_context_SOURCES = tests/unit/faults_context.c
tests_unit_faults_sources_SOURCES = tests/unit/faults_sources.c
tests_unit_faults_sources_LDADD = $(top_builddir)/libcore.la -lpthread
tests_unit_faults_context_LDADD = $(top_builddir)/libcore.la -lpthread

tests_unit_bin_SOURCES = tests/unit/bin.c $(tests_unit_headers)
tests_unit_bin_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_bin_LDADD = $(top_builddir)/libcore.la $(CMOCKA_LIBS)
tests_unit_tlsf_SOURCES = tests/unit/tlsf.c $(tests_unit_headers)
tests_unit_tlsf_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_tlsf_LDADD = $(top_builddir)/libcore.la $(CMOCKA_LIBS)
tests_unit_tlsf_audit_SOURCES = tests/unit/tlsf_audit.c $(tests_unit_headers)
tests_unit_tlsf_audit_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_tlsf_audit_LDADD = $(top_builddir)/libcore.la $(CMOCKA_LIBS)
tests_unit_live_SOURCES = tests/unit/live.c $(tests_unit_headers)
tests_unit_live_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_live_LDADD = $(top_builddir)/libcore.la $(CMOCKA_LIBS)
tests_unit_slab_SOURCES = tests/unit/slab.c $(tests_unit_headers)
tests_unit_slab_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_slab_LDADD = $(top_builddir)/libcore.la $(CMOCKA_LIBS)
tests_unit_heap_SOURCES = tests/unit/heap.c $(tests_unit_headers)
tests_unit_heap_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_heap_LDADD = $(top_builddir)/libcore.la $(CMOCKA_LIBS)
tests_unit_base_SOURCES = tests/unit/base.c $(tests_unit_headers)
tests_unit_base_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_LDADD = $(top_builddir)/libcore.la $(CMOCKA_LIBS)
tests_unit_out_SOURCES = tests/unit/out.c $(tests_unit_headers)
tests_unit_out_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_out_LDADD = $(top_builddir)/libcore.la $(CMOCKA_LIBS)
tests_unit_options_SOURCES = tests/unit/options.c $(tests_unit_headers)
tests_unit_options_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_options_LDADD = $(top_builddir)/libcore.la $(CMOCKA_LIBS)
tests_unit_region_far_SOURCES = tests/unit/region_far.c $(tests_unit_headers)
tests_unit_region_far_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_region_far_LDADD = $(top_builddir)/libcore.la $(CMOCKA_LIBS)
tests_unit_zones_SOURCES = tests/unit/zones.c $(tests_unit_headers)
tests_unit_zones_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_zones_LDADD = $(top_builddir)/libcore.la $(CMOCKA_LIBS)
tests_unit_remote_SOURCES = tests/unit/remote.c $(tests_unit_headers)
tests_unit_remote_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_remote_LDADD = $(top_builddir)/libcore.la $(CMOCKA_LIBS)
tests_unit_bump_SOURCES = tests/unit/bump.c $(tests_unit_headers)
tests_unit_bump_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_bump_LDADD = $(top_builddir)/libcore.la $(CMOCKA_LIBS)
tests_unit_chunked_SOURCES = tests/unit/chunked.c $(tests_unit_headers)
tests_unit_chunked_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_chunked_LDADD = $(top_builddir)/libcore.la $(CMOCKA_LIBS)
tests_unit_account_SOURCES = tests/unit/account.c $(tests_unit_headers)
tests_unit_account_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_account_LDADD = $(top_builddir)/libcore.la $(CMOCKA_LIBS)

tests_unit_numa_policy_SOURCES = tests/unit/numa_policy.c $(tests_unit_headers)
tests_unit_numa_policy_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_numa_policy_LDADD = $(top_builddir)/libcore.la $(CMOCKA_LIBS)
