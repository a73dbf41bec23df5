#!/bin/bash
# perl: hashes, regular expressions, sorting, string growth, nested data, fork.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need perl

perl_work() {
    PERL_HASH_SEED=0 PERL_PERTURB_KEYS=0 under perl "$inputs/perl.pl"
}

both perl_work 6
saw perl
done_ok
