#!/bin/bash
# git makes a repository with branches and merges, packs it, clones it and checks it; the commits and all
# objects must be the same.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need git awk

# Neither the user's settings nor the clock may show in the commits.
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null HOME="$work"
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@example.org
export GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z'

write_files() {
    awk -v round="$1" 'BEGIN {
        for (file = round % 7; file < 150; file += 7) {
            name = "dir" file % 9 "/file" file
            for (line = 0; line < 40 + file * 3; line++)
                print line, (line * 7919 + (line % 11 == round ? round : 0)) % 10007, "some text of the file" >name
            close(name)
        }
    }'
}

git_work() {
    under git init -q -b main repository
    cd repository
    mkdir dir{0..8}
    under git config pack.threads 2
    for round in 1 2 3 4 5 6 7 8; do
        write_files "$round"
        under git add .
        under git commit -q -m "round $round"
        [ "$round" -ne 3 ] || under git branch side
    done
    under git checkout -q side
    mkdir -p extra
    echo side >extra/file
    under git add .
    under git commit -q -m side
    under git checkout -q main
    under git merge -q -m merged side
    under git rev-parse HEAD
    under git log --stat -p | cksum
    under git blame dir0/file9 | cksum
    under git repack -q -a -d -f --depth=50 --window=30
    under git gc -q --aggressive --prune=now
    under git fsck --full --strict
    under git cat-file --batch-all-objects --batch-check
    under git clone -q "file://$PWD" ../clone
    cd ../clone
    under git fsck --full
    under git cat-file --batch-all-objects --batch-check | sort | cksum
    under git grep -c 'text' | cksum
    under git archive --format=tar HEAD | cksum
    cd ..
    rm -rf repository clone
}

git_error() {
    under git -C / rev-parse --verify nothing-of-this-name 2>&1
}

both git_work
both git_error 128
saw git
done_ok
