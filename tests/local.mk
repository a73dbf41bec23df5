# The source tree's own rules.
dist_check_SCRIPTS += tests/check-layers
TESTS += tests/check-layers
EXTRA_DIST += tests/processors.sh
