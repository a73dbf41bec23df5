# Models of the hand-overs between threads, each with mutants that must fail: `make check-spin` (a minute; needs spin).
EXTRA_DIST += tests/spin/handovers tests/spin/holder.pml tests/spin/abandon.pml tests/spin/destroy.pml

check-spin:
	@SPIN_CC='$(CC)' $(srcdir)/tests/spin/handovers

.PHONY: check-spin
