#!/usr/bin/env bash
# CA25: a context as SQLite's sqlite3_mem_methods.
. "$(dirname "$0")/lib.sh"
example sqlite sqlite3 libsqlite3-dev
