#!/usr/bin/env bash
# N1: coroutines that move between threads allocate rightly, whatever the compiler does with the addresses of a thread's variables.
#
#   fibers.cc, -O3 -flto       x gcc, clang       (the four ways in one program: linking costs most of the time here)
#   ucontext, switch by hand, Boost.Context, C++20 coroutines
#   the shared library, the archive of this build, an archive made for link-time optimisation      on 2 and on 8 threads
#
# In the archive made for link-time optimisation the faces and the front are so; the layers below have no thread's variables (that is looked at), and are the build's objects.
#
# And the same against a mutant of the library, in which the compiler may keep the address of the thread's variable (an accessor that is `const`, entry points that may
# become part of their callers): the stackful ones must find it out, or this test shows nothing.  A C++20 coroutine comes back by a new call of a function, which asks again: nothing
# is asked of it there.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../cpp/lib.sh"
need_both
need_header boost/context/fiber.hpp libboost-context-dev
[ -e "$archive" ] || skip "no static library in this configuration"
threads="2 8"
load="${FIBERS_LOAD:-200 50}" # coroutines, suspensions of each
ways=([1]=ucontext [2]="by hand" [3]=Boost.Context [0]=C++20)

# use COMPILER: $cc, $cxx, $ar, $lto
use() {
    cc=$1 lto=-flto
    case $cc in
    gcc) cxx=g++ ar=gcc-ar ;;
    clang*) cxx=${cc/clang/clang++} ar=llvm-ar${cc#clang} lto="-flto -fuse-ld=lld${cc#clang}" ;;
    esac
    have "$ar" || missing "$ar is not installed"
}

# compile TREE NAME FOLDER…: these folders of the library's sources in TREE, as --enable-lto compiles them, but with -O3, into $work/NAME-….o; adds them to $objects
compile() {
    local tree=$1 name=$2 file
    shift 2
    for file in $(cd "$tree" && find "$@" -name '*.c'); do
        objects+=("$work/$name-${file//\//-}.o")
        quietly "$cc" -O3 -flto -std=gnu11 -w -I"$builddir" -I"$tree/src" -I"$tree" -I"$tree/include" -D_GNU_SOURCE -fvisibility=hidden -fno-builtin-malloc \
            -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free -ftls-model=initial-exec -fexceptions -c "$tree/$file" -o "${objects[-1]}"
    done
}

# q: two folders have files of one name, and both belong in
archive_make() { # name: of $objects
    rm -f "$work/$1.a"
    quietly "$ar" qcs "$work/$1.a" "${objects[@]}"
}

# The mutant's tree: ca_current is reached by a function whose result the compiler may keep, and nothing keeps the entry points apart from their callers.
mutant_make() {
    mkdir "$work/mutant"
    cp -r "$srcdir/src" "$srcdir/preload" "$srcdir/include" "$work/mutant"
    chmod -R u+w "$work/mutant"
    cd "$work/mutant"
    replace src/front/front.h 'CA_EXTERN __thread ca_target \*ca_current .*;' \
        '__attribute__((const)) ca_target **ca_current_at(void);\n#define ca_current (*ca_current_at())'
    replace src/front/thread.c 'TLS ca_target \*ca_current = &ca_target_none;' \
        'static TLS ca_target *word = \&ca_target_none;\n__attribute__((noinline)) ca_target **ca_current_at(void) { return \&word; }'
    replace src/api/context.c '\(#define API .*\), noinline))' '\1))'
    replace preload/malloc.c 'FAST void \*FACE(malloc)(size_t size)' '__attribute__((always_inline)) void *FACE(malloc)(size_t size)'
    cd "$OLDPWD"
}
replace() { # file, expression, text
    grep -q "^$2" "$1" || fail "the mutation of $1 finds nothing to change: adapt it"
    sed -i "s/^$2/$3/" "$1"
}

# link NAME LIBRARY...: $work/NAME, with all the ways
link() {
    local name=$1
    shift
    # shellcheck disable=SC2086
    quietly "$cxx" -O3 $lto "$work"/fibers-?.o "$work/ways.o" "$@" -o "$work/$name" -pthread -lboost_context
}

is_lto() { grep -q '^CTXALLOC_LTO = .*lto' "$builddir/Makefile"; }

# With --enable-lto, the build's archive is for the compiler that made it.
is_for() {
    local made=gcc
    if grep -q '^CC = .*clang' "$builddir/Makefile"; then made=clang; fi
    ! is_lto || [ "${1%%-*}" = $made ]
}

passes() { # what, program
    for n in $threads; do
        # shellcheck disable=SC2086
        quietly timeout 120 "$work/$2" "$way" "$n" $load || fail "$cc, ${ways[way]}, $1: $n threads"
    done
}

layers_below="src/base src/engine src/source src/heap"
# shellcheck disable=SC2086
if (cd "$srcdir" && grep -rnE '__thread|_Thread_local|thread_local' $layers_below); then
    fail "a layer below the front has variables of a thread: it has to be compiled for link-time optimisation here"
fi
mutant_make
for compiler in $compilers_c; do
    use "$compiler"
    for way in 1 2 3 0; do
        quietly "$cxx" -std=c++20 -O3 -flto -Wall -Wextra -Wconversion -Wshadow -Werror -DSTACKFUL=$way -DRUN=fibers_$way -Dcoroutine=coroutine_$way "${flags[@]}" -I"$srcdir" \
            -c "$srcdir/tests/coroutines/fibers.cc" -o "$work/fibers-$way.o"
    done
    quietly "$cxx" -std=c++20 -O3 -flto -Wall -Wextra -Wconversion -Wshadow -Werror -c "$srcdir/tests/coroutines/ways.cc" -o "$work/ways.o"
    objects=()
    # These layers are the mutant's, too: what it changes lies above them.
    # shellcheck disable=SC2086
    if is_lto; then
        compile "$srcdir" real $layers_below
    else
        for file in $(cd "$srcdir" && find $layers_below -name '*.c'); do objects+=("$builddir/${file%/*}/libcore_la-$(basename "$file" .c).o"); done
    fi
    below=("${objects[@]}")
    compile "$srcdir" real src/front src/api preload
    link shared "$so/libctxalloc.so" -Wl,-rpath,"$so"
    if is_for "$cc"; then link static "$archive"; fi
    archive_make real
    link lto "$work/real.a"
    objects=("${below[@]}")
    compile "$work/mutant" mutant src/front src/api preload
    archive_make mutant
    link found "$work/mutant.a"
    for way in 1 2 3 0; do
        passes "shared library" shared
        if is_for "$cc"; then passes "the build's archive" static; fi
        passes "archive with link-time optimisation" lto
        echo "$cc, ${ways[way]}: right on $threads threads, with the shared library, $(is_for "$cc" && echo "the build's archive, ")an archive with link-time optimisation"
        [ "$way" != 0 ] || continue
        for n in $threads; do
            # shellcheck disable=SC2086
            if timeout 120 "$work/found" "$way" "$n" $load >/dev/null 2>"$work/message"; then
                fail "$cc, ${ways[way]}: the mutant, whose thread-local accessor is cacheable, passes on $n threads"
            fi
            if grep -q "shows nothing" "$work/message"; then fail "$cc, ${ways[way]}, the mutant: $(cat "$work/message")"; fi
            echo "$cc, ${ways[way]}: the mutant with a cacheable accessor fails on $n threads, as it must ($(head -n 1 "$work/message"))"
        done
    done
done
