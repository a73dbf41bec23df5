# Coroutines that move between threads. The script compiles fibers.cc itself, with each compiler, each way to switch and each form of the library.
dist_check_SCRIPTS += tests/coroutines/fibers.sh
TESTS += tests/coroutines/fibers.sh
EXTRA_DIST += tests/coroutines/fibers.cc examples/coroutines/scheduler.hpp examples/coroutines/stackful.hpp examples/coroutines/stackless.hpp \
	examples/coroutines/switch.h
