# Odd environments. The programs are not linked with the library: the scripts preload it, open it or link it themselves.

env_scripts = \
	tests/env/audit.sh \
	tests/env/closed.sh \
	tests/env/deepbind.sh \
	tests/env/inject.sh \
	tests/env/limits.sh \
	tests/env/maps.sh \
	tests/env/noproc.sh \
	tests/env/numa.sh \
	tests/env/seccomp.sh \
	tests/env/secure.sh \
	tests/env/stacks.sh \
	tests/env/static.sh \
	tests/env/tls.sh
dist_check_SCRIPTS += $(env_scripts)
TESTS += $(env_scripts)
EXTRA_DIST += tests/env/lib.sh

check_PROGRAMS += tests/env/numa_threads tests/env/work tests/env/hungry tests/env/stacks tests/env/deepbind tests/env/tls_full tests/env/deny \
	tests/env/maps
EXTRA_DIST += tests/env/secure.c tests/env/strings.c
check_LTLIBRARIES += tests/env/audit.la tests/env/plugin.la tests/env/tls_eater.la

# -fno-builtin: clang takes it that malloc does not set errno, and folds `errno = 0; malloc(…); errno`.
tests_env_work_SOURCES = tests/env/work.c tests/env/env.h
tests_env_work_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_env_work_LDADD = -lpthread -ldl
tests_env_numa_threads_SOURCES = tests/env/numa_threads.c tests/env/env.h
tests_env_numa_threads_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_env_numa_threads_LDADD = -lpthread
tests_env_hungry_SOURCES = tests/env/hungry.c tests/env/env.h
tests_env_hungry_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_env_hungry_LDADD = -lpthread -ldl
tests_env_stacks_SOURCES = tests/env/stacks.c tests/env/env.h
tests_env_stacks_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_env_stacks_LDADD = -lpthread -ldl
tests_env_deepbind_SOURCES = tests/env/deepbind.c tests/env/env.h
tests_env_deepbind_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_env_deepbind_LDADD = -lpthread -ldl
tests_env_tls_full_SOURCES = tests/env/tls_full.c tests/env/env.h
tests_env_tls_full_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_env_tls_full_LDADD = -lpthread -ldl
tests_env_deny_SOURCES = tests/env/deny.c tests/env/env.h
tests_env_deny_LDADD = -lpthread -ldl
tests_env_maps_SOURCES = tests/env/maps.c tests/env/env.h
tests_env_maps_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_env_maps_LDADD = -lpthread -ldl

# Libtool makes a shared library of a convenience library when it is told a place to install it.
env_module = -module -avoid-version -shared -rpath $(abs_top_builddir)
tests_env_audit_la_SOURCES = tests/env/audit.c
tests_env_audit_la_LDFLAGS = $(env_module)
tests_env_audit_la_LIBADD =
tests_env_plugin_la_SOURCES = tests/env/plugin.c
tests_env_plugin_la_LDFLAGS = $(env_module)
tests_env_plugin_la_LIBADD =
tests_env_tls_eater_la_SOURCES = tests/env/tls_eater.c
tests_env_tls_eater_la_LDFLAGS = $(env_module)
tests_env_tls_eater_la_LIBADD =
