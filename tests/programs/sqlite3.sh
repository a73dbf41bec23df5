#!/bin/bash
# sqlite3 runs a script of inserts, indexes, joins, windows, text search, updates, rollbacks and a vacuum;
# its answers and the database file itself must be the same.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need sqlite3

sqlite_script() {
    rm -f data.db
    under sqlite3 -batch -bail data.db <"$inputs/sqlite3.sql"
    under sqlite3 -batch -bail data.db .dump | cksum
}

# An error has its own exit status, and its message comes from memory too.
sqlite_error() {
    under sqlite3 -batch -bail :memory: 'select 1; select * from nowhere;' 2>&1
}

both sqlite_script
same data.db
both sqlite_error 1
saw sqlite3
done_ok
