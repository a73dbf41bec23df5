#!/usr/bin/env bash
# libctxalloc.a linked into a program, a wholly static one and a dynamic one: malloc is ours then, and glibc's is not even there.
. "${srcdir:-.}/tests/env/lib.sh" || exit 1
archive=$(dirname "$CTXALLOC_LIB")/libctxalloc.a
[ -e "$archive" ] || skip "no static library in this configuration"
if nm "$archive" 2> /dev/null | grep -q -e __ubsan -e __gcov -e __asan; then
    skip "an instrumented library needs its compiler's run-time"
fi
cc=${CC:-cc}
compile() { # output, further arguments
    local output=$1
    shift
    $cc -O2 -D_GNU_SOURCE -I"$srcdir" -I"$builddir" "$srcdir/tests/env/work.c" -o "$output" "$@" "$archive" -pthread
}

compile "$work/dynamic"
timeout 60 "$work/dynamic"
nm "$work/dynamic" | grep -q ' T malloc$' || fail "the dynamic program has no malloc of its own"

echo 'int main(void) { return 0; }' > "$work/empty.c"
if ! $cc -static "$work/empty.c" -o "$work/empty" 2> /dev/null; then
    skip "no static libc here"
fi
compile "$work/static" -static
timeout 60 "$work/static"
nm "$work/static" | grep -q ' [TW] malloc$' || fail "the static program has no malloc"
if nm "$work/static" | grep -q ' _int_malloc$'; then
    fail "the static program has glibc's malloc in it"
fi

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
