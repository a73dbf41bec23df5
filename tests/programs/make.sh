#!/bin/bash
# make -j builds some hundred files in a graph of dependencies, with variables, functions and pattern rules;
# a second run finds nothing to do, and a failing rule gives make's exit status 2.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need make awk sh cat

awk 'BEGIN {
    for (i = 0; i < 250; i++) names = names " n" i ".out"
    print "all: result\nresult:" names "\n\tcat $(sort $^) >$@"
    print "LONG := $(foreach x,$(wordlist 1,400,$(shell seq 1 400)),$(patsubst %,item-%,$x)/$(words " names "))"
    print "n%.out: n%.in\n\t@printf \"%s %s\\n\" $* \"$$(cat $<)\" >$@"
    for (i = 0; i < 250; i++) {
        printf "n%d.in:", i
        for (k = i * 2 + 1; k <= i * 2 + 2 && k < 250; k++) printf " n%d.in", k
        print "\n\t@echo \"$(words $(LONG)) $(lastword $(LONG)) $(subst n,m,$@) $(words $^)\" >$@"
    }
    print "%.never: ; @exit 3\nfails: a.never b.never"
}' >"$work/Makefile"

# MAKEFLAGS and the like of the make that runs this test are not for this one.
plain_make() {
    unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
    under make -f "$work/Makefile" "$@"
}

make_all() {
    plain_make -j8 --output-sync=target all | sort
    plain_make -j8 -q all
    plain_make -pn | grep -c '^LONG'
    cksum <result
}

make_fails() {
    plain_make -j4 -k fails 2>&1 | sort
}

both make_all
same result
both make_fails 2
saw make sh cat
done_ok
