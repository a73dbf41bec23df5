# Adaptors (CA25), with the real libraries. The scripts compile the examples as a user would, with gcc and clang.
example_tests = examples/lua.sh examples/sqlite.sh examples/libuv.sh examples/pool.sh
dist_check_SCRIPTS += $(example_tests)
TESTS += $(example_tests)
EXTRA_DIST += examples/lib.sh examples/must.h examples/lua.c examples/sqlite.c examples/libuv.c examples/pool.c examples/pool.h
