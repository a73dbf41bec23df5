#!/bin/bash
# java: the version, the compiler, and a program with threads, native buffers, zip streams and a heap that grows.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need java

java_version() {
    # It is printed to stderr. A small heap: the tests of several programs may run at once.
    under java -Xmx256m -version 2>&1
}

java_program() {
    if command -v javac >/dev/null; then
        under javac -J-Xmx256m -d . "$inputs/Work.java"
        cksum <Work.class
        under java -Xmx256m -cp . Work
    else
        under java -Xmx256m "$inputs/Work.java"
    fi
}

both java_version
both java_program 8
saw java
! command -v javac >/dev/null || saw javac
done_ok
