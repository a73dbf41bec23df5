/* The words every layer uses: attributes, bit operations, units.
 *
 * Units.  A *granule* is 16 bytes, the smallest block; a *page* is 4 KiB, the unit that heaps deal in.
 * Addresses inside the region are numbered by granule (`ca_granule`) or page (`ca_page`), never by pointer.
 */
#ifndef CA_BASE_BASE_H
#define CA_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CA_LIKELY(x) __builtin_expect(!!(x), 1)
/* The compiler may take it for granted: only for what an invariant says, beside the code that keeps it. */
#define CA_ASSUME(x) ((x) ? (void)0 : __builtin_unreachable())
#define CA_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define CA_COLD __attribute__((noinline, cold))
#define CA_NOINLINE __attribute__((noinline))
/* A variable of another file of the library. Without it code for shared objects asks the global offset table where it lies. */
#define CA_EXTERN extern __attribute__((visibility("hidden")))
#define CA_INLINE static inline __attribute__((always_inline))
#define CA_ALIGNED(n) __attribute__((aligned(n)))
#define CA_LINE 64

enum { CA_GRANULE_SHIFT = 4, CA_GRANULE = 16, CA_PAGE_SHIFT = 12, CA_PAGE = 4096 };

typedef uint64_t ca_granule; /* number of a 16-byte granule of the region */
typedef uint32_t ca_page;    /* number of a page of the region, or a count of pages */

/* No object is larger than this: PTRDIFF_MAX, less what rounding up to a page can add. */
#define CA_MAX_SIZE ((size_t)PTRDIFF_MAX - 2 * (size_t)CA_PAGE)

/* Index of the lowest / highest set bit; x must not be 0. */
CA_INLINE unsigned ca_bit_low(uint64_t x) { return (unsigned)__builtin_ctzll(x); }
CA_INLINE unsigned ca_bit_high(uint64_t x) { return 63U - (unsigned)__builtin_clzll(x); }
CA_INLINE unsigned ca_bit_count(uint64_t x) { return (unsigned)__builtin_popcountll(x); }

/* `align` is a power of two. */
CA_INLINE size_t ca_round_up(size_t x, size_t align) { return (x + (align - 1)) & ~(align - 1); }
CA_INLINE bool ca_is_power_of_two(size_t x) { return x && !(x & (x - 1)); }
CA_INLINE size_t ca_size_min(size_t a, size_t b) { return a < b ? a : b; }
CA_INLINE size_t ca_size_max(size_t a, size_t b) { return a > b ? a : b; }

/* Pages that hold `bytes`; bytes <= CA_MAX_SIZE. */
CA_INLINE uint64_t ca_pages_for(size_t bytes) { return (bytes + CA_PAGE - 1) >> CA_PAGE_SHIFT; }

/* Relaxed accesses: words that other threads may read at any time (statistics, live bits), never torn. */
#define CA_LOAD(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define CA_STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
/* As CA_LOAD, of a word that is used once: compilers make it part of the instruction that uses it, as they do not with atomic loads. For the fast path. */
#if defined(__SANITIZE_THREAD__)
#define CA_PEEK(p) CA_LOAD(p)
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CA_PEEK(p) CA_LOAD(p)
#endif
#endif
#ifndef CA_PEEK
#define CA_PEEK(p) (*(p))
#endif
/* The same value, of which the compiler knows nothing: what it computes of it is computed here, and no register is kept for it from before. */
#define CA_ANEW(value) __extension__({ __typeof__(value) anew_ = (value); __asm__("" : "+r"(anew_)); anew_; })
#define CA_LOAD_ACQUIRE(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define CA_STORE_RELEASE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
/* In a loop that waits: the processor's hint, where it has one. */
#if defined(__x86_64__) || defined(__i386__)
#define CA_PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define CA_PAUSE() __asm__ volatile("isb")
#else
#define CA_PAUSE() __asm__ volatile("")
#endif
/* A counter with one writer: no locked instruction. */
#define CA_BUMP(p, n) CA_STORE((p), CA_LOAD(p) + (n))

#endif
