# Coroutines that move between threads, and the switch by hand on each processor. fibers.sh compiles fibers.cc and ways.cc itself, with each compiler, each way to switch and each form of the library.
dist_check_SCRIPTS += tests/coroutines/fibers.sh tests/coroutines/switch.sh
TESTS += tests/coroutines/fibers.sh tests/coroutines/switch.sh
EXTRA_DIST += tests/coroutines/fibers.cc tests/coroutines/ways.cc tests/coroutines/switch.c examples/coroutines/scheduler.hpp examples/coroutines/stackful.hpp examples/coroutines/stackless.hpp \
	examples/coroutines/switch.h
