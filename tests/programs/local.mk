# Real programs with the library preloaded: each prints, writes and returns the same as under glibc.
# Each script says what its program does; tests/programs/lib.sh has what they share. By hand:
#   CTXALLOC_LIB=$PWD/.libs/libctxalloc.so tests/programs/redis.sh

program_tests = \
	tests/programs/bash.sh \
	tests/programs/clang.sh \
	tests/programs/gcc.sh \
	tests/programs/ghostscript.sh \
	tests/programs/git.sh \
	tests/programs/java.sh \
	tests/programs/lua.sh \
	tests/programs/make.sh \
	tests/programs/memcached.sh \
	tests/programs/node.sh \
	tests/programs/perl.sh \
	tests/programs/python3.sh \
	tests/programs/redis.sh \
	tests/programs/sort.sh \
	tests/programs/sqlite3.sh \
	tests/programs/stress-ng.sh \
	tests/programs/xz.sh

dist_check_SCRIPTS += $(program_tests)
TESTS += $(program_tests)

# The witness is compiled by lib.sh, with no flags of the build: the programs it goes into are the system's.
EXTRA_DIST += \
	tests/programs/input/Work.java \
	tests/programs/input/big_cpp.awk \
	tests/programs/input/lua.lua \
	tests/programs/input/memcached.py \
	tests/programs/input/node.js \
	tests/programs/input/pages.ps \
	tests/programs/input/perl.pl \
	tests/programs/input/python3.py \
	tests/programs/input/redis.awk \
	tests/programs/input/sqlite3.sql \
	tests/programs/input/work.bash \
	tests/programs/lib.sh \
	tests/programs/text100m.sh \
	tests/programs/witness.c
