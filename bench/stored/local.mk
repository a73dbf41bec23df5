# `make bench-stored`: a persistent heap against malloc and against SQLite as a store of small records.
EXTRA_PROGRAMS += bench/stored/records
CLEANFILES += bench/stored/records
bench_stored_records_SOURCES = bench/stored/records.c
bench_stored_records_CFLAGS = $(AM_CFLAGS) -O2
bench_stored_records_LDADD = libctxalloc.la
if HAVE_SQLITE3
bench_stored_records_LDADD += -lsqlite3
endif

bench-stored: bench/stored/records
	./bench/stored/records
bench-stored-quick: bench/stored/records
	./bench/stored/records 2000
.PHONY: bench-stored bench-stored-quick
