#!/usr/bin/env bash
# libctxalloc.a linked into a program, a wholly static one and a dynamic one: malloc is ours then, and glibc's is not even there.
. "${srcdir:-.}/tests/env/lib.sh" || exit 1
archive=$(dirname "$CTXALLOC_LIB")/libctxalloc.a
[ -e "$archive" ] || skip "no static library in this configuration"
if nm "$archive" 2> /dev/null | grep -q -e __ubsan -e __gcov -e __asan; then
    skip "an instrumented library needs its compiler's run-time"
fi
cc=${CC:-cc}
compile() { # program, output, further arguments
    local program=$1 output=$2
    shift 2
    $cc -O2 -D_GNU_SOURCE -I"$srcdir" -I"$srcdir/include" -I"$builddir" "$srcdir/tests/env/$program.c" -o "$output" "$@" "$archive" -pthread
}

compile work "$work/dynamic"
timeout 60 "$work/dynamic"
nm "$work/dynamic" | grep -q ' T malloc$' || fail "the dynamic program has no malloc of its own"

for optimisation in "-O0" "-O2" "-O2 -D_FORTIFY_SOURCE=2 -fno-builtin" "-O2 -fno-pie -no-pie"; do
    # shellcheck disable=SC2086
    compile strings "$work/strings" $optimisation
    timeout 60 "$work/strings" "$work" || fail "strings, dynamic, $optimisation"
done

echo 'int main(void) { return 0; }' > "$work/empty.c"
if ! $cc -static "$work/empty.c" -o "$work/empty" 2> /dev/null; then
    skip "no static libc here"
fi
compile work "$work/static" -static
timeout 60 "$work/static"
nm "$work/static" | grep -q ' [TW] malloc$' || fail "the static program has no malloc"
if nm "$work/static" | grep -q ' _int_malloc$'; then
    fail "the static program has glibc's malloc in it"
fi

for optimisation in "-O0" "-O2" "-O2 -D_FORTIFY_SOURCE=2"; do
    # shellcheck disable=SC2086
    compile strings "$work/strings" -static $optimisation
    timeout 60 "$work/strings" "$work" || fail "strings, static, $optimisation"
done
# A program's own functions of these names go before the archive's.
echo '#include <stdio.h>
char *strdup(const char *s) { (void)s; return 0; }
int main(void) { char *line = 0; size_t room = 0; return strdup("x") || getline(&line, &room, stdin) != -1; }' > "$work/own.c"
$cc -O2 -fno-builtin -static -D_GNU_SOURCE "$work/own.c" -o "$work/own" "$archive" -pthread
timeout 60 "$work/own" < /dev/null || fail "a program with its own strdup"

cat > "$work/lib.cc" << 'END'
#include <string>
#include <thread>
#include <vector>
int main() {
    std::vector<std::string> words;
    std::thread([&] { for (int i = 0; i < 1000; i++) words.push_back(std::string(100, 'x')); }).join();
    try { words.reserve(words.max_size()); } catch (const std::exception &) { return words.size() == 1000 ? 0 : 1; }
    return 1;
}
END
${CXX:-c++} -O2 -static "$work/lib.cc" -o "$work/static++" "$archive" -pthread
timeout 60 "$work/static++"
