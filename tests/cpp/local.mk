# ctxalloc.hpp. The script compiles objects.cc itself, with each compiler and standard.
dist_check_SCRIPTS += tests/cpp/compilers.sh
TESTS += tests/cpp/compilers.sh
EXTRA_DIST += tests/cpp/lib.sh tests/cpp/objects.cc
