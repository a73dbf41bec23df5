# Fuzz targets (libFuzzer): each drives a layer by its internal calls, against a model.  They are built only with
#   ./configure CC=clang-16 --enable-fuzzers        (and better with --enable-faults: the heap target then lets system calls fail)
# and have their own build of the layers, with the fuzzer's and the sanitizers' instrumentation.  malloc stays the C library's.
fuzz_targets = fuzz/tlsf fuzz/heap fuzz/remote fuzz/options
fuzz_targets += fuzz/engine_blocks fuzz/engine_chunks fuzz/engine_bump
fuzz_targets += $(fuzz_ranges) fuzz/stored
# The public range engines, one program each of one source; their memory is the C library's malloc's.
fuzz_ranges = fuzz/ranges_tlsf fuzz/ranges_tlsf16 fuzz/ranges_fit fuzz/ranges_fit64
FUZZ_SECONDS = 60

fuzz_flags = -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fsanitize-coverage-ignorelist=$(srcdir)/fuzz/uncovered.txt
fuzz_cflags = $(AM_CFLAGS) $(fuzz_flags)
fuzz_ldflags = $(AM_LDFLAGS) -fsanitize=fuzzer,address,undefined

EXTRA_DIST += fuzz/run fuzz/corpus fuzz/uncovered.txt

if FUZZERS
noinst_LTLIBRARIES += fuzz/libfuzzcore.la
fuzz_libfuzzcore_la_SOURCES = $(layer_sources)
fuzz_libfuzzcore_la_CFLAGS = $(fuzz_cflags)
# Archives only: nothing here is ever part of a shared library.
fuzz_libfuzzcore_la_LIBTOOLFLAGS = --tag=disable-shared

noinst_PROGRAMS += $(fuzz_targets)
fuzz_tlsf_SOURCES = fuzz/tlsf.c fuzz/fuzz.h
fuzz_tlsf_CFLAGS = $(fuzz_cflags)
fuzz_tlsf_LDFLAGS = $(fuzz_ldflags)
fuzz_tlsf_LDADD = fuzz/libfuzzcore.la
fuzz_heap_SOURCES = fuzz/heap.c fuzz/blocks.c fuzz/blocks.h fuzz/sizes.h fuzz/fuzz.h
fuzz_heap_CFLAGS = $(fuzz_cflags)
fuzz_heap_LDFLAGS = $(fuzz_ldflags)
fuzz_heap_LDADD = fuzz/libfuzzcore.la
fuzz_remote_SOURCES = fuzz/remote.c fuzz/blocks.c fuzz/blocks.h fuzz/sizes.h fuzz/fuzz.h
fuzz_remote_CFLAGS = $(fuzz_cflags)
fuzz_remote_LDFLAGS = $(fuzz_ldflags)
fuzz_remote_LDADD = fuzz/libfuzzcore.la
fuzz_options_SOURCES = fuzz/options.c fuzz/fuzz.h
fuzz_options_CFLAGS = $(fuzz_cflags)
fuzz_options_LDFLAGS = $(fuzz_ldflags)
fuzz_options_LDADD = fuzz/libfuzzcore.la
fuzz_engine_blocks_SOURCES = fuzz/engine_blocks.c fuzz/fuzz.h
fuzz_engine_blocks_CFLAGS = $(fuzz_cflags)
fuzz_engine_blocks_LDFLAGS = $(fuzz_ldflags)
fuzz_engine_blocks_LDADD = fuzz/libfuzzcore.la
fuzz_engine_chunks_SOURCES = fuzz/engine_chunks.c fuzz/fuzz.h
fuzz_engine_chunks_CFLAGS = $(fuzz_cflags)
fuzz_engine_chunks_LDFLAGS = $(fuzz_ldflags)
fuzz_engine_chunks_LDADD = fuzz/libfuzzcore.la
fuzz_stored_SOURCES = fuzz/stored.c fuzz/fuzz.h
fuzz_stored_CFLAGS = $(fuzz_cflags)
fuzz_stored_LDFLAGS = $(fuzz_ldflags)
fuzz_stored_LDADD = fuzz/libfuzzcore.la
fuzz_engine_bump_SOURCES = fuzz/engine_bump.c fuzz/fuzz.h
fuzz_engine_bump_CFLAGS = $(fuzz_cflags)
fuzz_engine_bump_LDFLAGS = $(fuzz_ldflags)
fuzz_engine_bump_LDADD = fuzz/libfuzzcore.la
fuzz_ranges_tlsf_SOURCES = fuzz/ranges.c src/api/engine_memory.c fuzz/fuzz.h tests/engine/engine.h
fuzz_ranges_tlsf_CFLAGS = $(fuzz_cflags) -DFUZZ_ENGINE=0
fuzz_ranges_tlsf_LDFLAGS = $(fuzz_ldflags)
fuzz_ranges_tlsf_LDADD = fuzz/libfuzzcore.la
fuzz_ranges_tlsf16_SOURCES = fuzz/ranges.c src/api/engine_memory.c fuzz/fuzz.h tests/engine/engine.h
fuzz_ranges_tlsf16_CFLAGS = $(fuzz_cflags) -DFUZZ_ENGINE=1
fuzz_ranges_tlsf16_LDFLAGS = $(fuzz_ldflags)
fuzz_ranges_tlsf16_LDADD = fuzz/libfuzzcore.la
fuzz_ranges_fit_SOURCES = fuzz/ranges.c src/api/engine_memory.c fuzz/fuzz.h tests/engine/engine.h
fuzz_ranges_fit_CFLAGS = $(fuzz_cflags) -DFUZZ_ENGINE=2
fuzz_ranges_fit_LDFLAGS = $(fuzz_ldflags)
fuzz_ranges_fit_LDADD = fuzz/libfuzzcore.la
fuzz_ranges_fit64_SOURCES = fuzz/ranges.c src/api/engine_memory.c fuzz/fuzz.h tests/engine/engine.h
fuzz_ranges_fit64_CFLAGS = $(fuzz_cflags) -DFUZZ_ENGINE=3
fuzz_ranges_fit64_LDFLAGS = $(fuzz_ldflags)
fuzz_ranges_fit64_LDADD = fuzz/libfuzzcore.la

fuzzers: $(fuzz_targets)
# `make fuzz-short` tries everything for FUZZ_SECONDS a run; `make fuzz-long FUZZ_SECONDS=14400` goes on from what the last one found.
fuzz-short: $(fuzz_targets)
	@FUZZ_SECONDS='$(FUZZ_SECONDS)' srcdir='$(srcdir)' builddir='$(builddir)' $(srcdir)/fuzz/run fresh
fuzz-long: $(fuzz_targets)
	@FUZZ_SECONDS='$(FUZZ_SECONDS)' srcdir='$(srcdir)' builddir='$(builddir)' $(srcdir)/fuzz/run continue
else
fuzzers fuzz-short fuzz-long:
	@echo "The fuzz targets are not part of this build.  Configure one with: CC=clang-16 --enable-fuzzers --enable-faults" >&2; exit 1
endif

.PHONY: fuzzers fuzz-short fuzz-long
