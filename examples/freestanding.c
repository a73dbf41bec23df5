/* A program with no C library, static, with a heap: memory chunks in static arrays, ready before the first instruction.
 *
 *     cc -std=gnu11 -ffreestanding -nostdlib -static -Iinclude -Isrc examples/freestanding.c src/engine/chunks.c -o freestanding
 *
 * It builds a list of squares in the heap, prints it, lets memory run out, and prints what the log has to say.
 */
#include "ctxalloc/chunks.h"

enum { CHUNKS = 16, CHUNK_SIZE = 16 };

static CTXALLOC_CHUNKS_STORAGE(storage, CHUNKS, CHUNK_SIZE);
static CTXALLOC_CHUNKS_BITMAP(bitmap, CHUNKS);
static ctxalloc_chunks_log on_out_of_memory;
static ctxalloc_chunks heap = CTXALLOC_CHUNKS_INIT_LOGGED(storage, bitmap, CHUNK_SIZE, on_out_of_memory, NULL);

/* --- two system calls --------------------------------------------------------------------------- */

#if defined(__x86_64__)
enum { SYS_WRITE = 1, SYS_EXIT = 60 };

static long system_call(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

/* The stack is aligned by hand: nobody has called this. */
__asm__(".globl _start\n_start: xor %ebp, %ebp\n and $-16, %rsp\n call start\n");
#elif defined(__aarch64__)
enum { SYS_WRITE = 64, SYS_EXIT = 93 };

static long system_call(long number, long a, long b, long c)
{
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
}

__asm__(".globl _start\n_start: mov x29, xzr\n b start\n");
#endif

static void print(const char *text)
{
    long length = 0;
    while (text[length])
        length++;
    system_call(SYS_WRITE, 1, (long)text, length);
}

static void print_number(unsigned long n)
{
    char digits[24], *at = digits + sizeof digits - 1;
    *at = 0;
    do
        *--at = (char)('0' + n % 10);
    while (n /= 10);
    print(at);
}

/* --- the program ------------------------------------------------------------------------------------ */

static void on_out_of_memory(const ctxalloc_chunks *h, size_t size, size_t align, unsigned usage, void *argument)
{
    (void)h;
    (void)align;
    (void)argument;
    print("out of memory: ");
    print_number(size);
    print(" bytes wanted, usage ");
    print_number(usage);
    print(" %\n");
}

/* A vector that grows by doubling, in place where the heap can. */
static unsigned *vector_push(unsigned *items, size_t *count, unsigned item)
{
    if ((*count & (*count + 1)) == 0) /* 0, 1, 3, 7: full */
        items = ctxalloc_chunks_realloc(&heap, items, (*count + 1) * 2 * sizeof *items, sizeof *items);
    if (items)
        items[(*count)++] = item;
    return items;
}

_Noreturn void start(void);
_Noreturn void start(void)
{
    unsigned *squares = NULL;
    size_t count = 0;
    print("squares:");
    for (unsigned i = 0; i < 10 && (squares = vector_push(squares, &count, i * i)); i++)
        ;
    for (size_t i = 0; squares && i < count; i++) {
        print(" ");
        print_number(squares[i]);
    }
    print("\n");
    void *rest = ctxalloc_chunks_alloc(&heap, CHUNKS * CHUNK_SIZE, 1);
    int wrong = ctxalloc_chunks_free(&heap, (char *)squares + 1), right = ctxalloc_chunks_free(&heap, squares);
    bool well = count == 10 && !rest && wrong && !right && ctxalloc_chunks_empty(&heap);
    print(well ? "well\n" : "not well\n");
    system_call(SYS_EXIT, !well, 0, 0);
    __builtin_unreachable();
}
