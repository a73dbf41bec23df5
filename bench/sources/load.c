/* Two loads under whatever allocator is preloaded.  Usage: load WORK SOURCE AMOUNT [PAUSE_MS [SAMPLES]]
 *
 * WORK     sawtooth: AMOUNT teeth of 64 MiB (bench/sawtooth.h), PAUSE_MS idle after each; replace: 1 Mi blocks, AMOUNT times one is replaced (bench/replace.c)
 * SOURCE   malloc; mmap, huge: in a context on ctxalloc_source_mmap without and with advice for huge pages, which wants ctxalloc preloaded
 * SAMPLES  a file: a line for each 4096 calls of malloc and free: calls, resident and live MiB
 *
 * Prints: seconds (without pauses), peak resident MiB, huge-page MiB at the end of the work; of the sawtooth also means over all samples of resident
 * and live MiB, and over the bottoms of teeth.  What was resident before the work (the sawtooth's tables among it) is not counted.
 * statm's counters lag by some pages a CPU. */
#include <dlfcn.h>
#include <sys/mman.h>

#include <ctxalloc.h>

#include "bench/bench.h"
#include "bench/resident.h"
#include "bench/sawtooth.h"

enum { FULL = 64 << 20, EVERY = 4096, LIVE = 1 << 20 };

static struct {
    FILE *file;
    int statm;
    size_t calls, before_pages, peak_pages, samples;
    double resident, live; /* sums, MiB */
} sampled;

static size_t statm_pages(void)
{
    char text[128];
    const char *second;
    ssize_t got = pread(sampled.statm, text, sizeof text - 1, 0);
    bench_require(got > 0, "/proc/self/statm can be read");
    text[got] = 0;
    second = strchr(text, ' ');
    return second ? strtoul(second, NULL, 10) : 0;
}

static double mib(size_t pages) { return (double)pages / 256; }

static size_t resident_pages(void)
{
    size_t now = statm_pages();
    if (now > sampled.peak_pages)
        sampled.peak_pages = now;
    return now > sampled.before_pages ? now - sampled.before_pages : 0;
}

static void sample(const struct sawtooth *saw)
{
    if (++sampled.calls % EVERY != 0)
        return;
    double resident = mib(resident_pages()), live = (double)saw->live_bytes / (1 << 20);
    sampled.resident += resident;
    sampled.live += live;
    sampled.samples++;
    if (sampled.file)
        fprintf(sampled.file, "%zu %.2f %.2f\n", sampled.calls, resident, live);
}

static void *table(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    bench_require(p != MAP_FAILED, "a table");
    return p;
}

static void run_sawtooth(uint64_t teeth, long pause_ms)
{
    static const struct bench_case sizes = {.smallest_bytes = 64, .largest_bytes = 8192};
    const struct timespec pause = {.tv_sec = pause_ms / 1000, .tv_nsec = pause_ms % 1000 * 1000000};
    struct sawtooth saw = {.random = bench_random_seed(6), .room = FULL / sizes.smallest_bytes, .step = sample};
    double seconds = 0, bottom = 0, bottom_live = 0;
    saw.blocks = table(saw.room * sizeof *saw.blocks);
    saw.sizes = table(saw.room * sizeof *saw.sizes);
    sampled.peak_pages = sampled.before_pages = statm_pages();
    for (uint64_t tooth = 0; tooth < teeth; tooth++) {
        double start = bench_now_seconds();
        sawtooth_fill(&saw, &sizes, FULL, tooth);
        sawtooth_thin_out(&saw);
        seconds += bench_now_seconds() - start;
        nanosleep(&pause, NULL);
        bottom += mib(resident_pages());
        bottom_live += (double)saw.live_bytes / (1 << 20);
    }
    bench_require(sampled.samples > 0, "the work is long enough for a sample");
    printf("seconds %.3f\npeak %.1f\nhuge %.1f\nresident %.2f\nlive %.2f\nbottom %.2f\nbottom-live %.2f\n", seconds, mib(sampled.peak_pages - sampled.before_pages),
        (double)proc_number("/proc/self/smaps_rollup", "\nAnonHugePages:") / 1024, sampled.resident / (double)sampled.samples, sampled.live / (double)sampled.samples,
        bottom / (double)teeth, bottom_live / (double)teeth);
}

static void run_replace(uint64_t steps)
{
    const struct bench_case blocks = {.smallest_bytes = 16, .largest_bytes = 256, .live = LIVE, .steps = steps};
    size_t before = resident_kib(), peak;
    double start = bench_now_seconds();
    bench_replace(&blocks, 1);
    double seconds = bench_now_seconds() - start;
    peak = peak_resident_kib();
    printf("seconds %.3f\npeak %.1f\nhuge %.1f\n", seconds, (double)(peak > before ? peak - before : 0) / 1024,
        (double)proc_number("/proc/self/smaps_rollup", "\nAnonHugePages:") / 1024);
}

/* malloc goes to a context on the source from here on. */
static void use_source(unsigned flags)
{
    static ctxalloc_mmap_source source;
    const ctxalloc_mmap_settings settings = {.size = sizeof settings, .flags = flags};
    int (*make)(ctxalloc_mmap_source *, const ctxalloc_mmap_settings *);
    ctxalloc_context *(*create)(const ctxalloc_options *), *(*change)(ctxalloc_context *);
    *(void **)&make = dlsym(RTLD_DEFAULT, "ctxalloc_source_mmap");
    *(void **)&create = dlsym(RTLD_DEFAULT, "ctxalloc_create");
    *(void **)&change = dlsym(RTLD_DEFAULT, "ctxalloc_switch");
    bench_require(make && create && change, "ctxalloc is preloaded");
    bench_require(make(&source, &settings) == 0, "ctxalloc_source_mmap");
    ctxalloc_context *context = create(&(ctxalloc_options){.size = sizeof(ctxalloc_options), .source = &source.source});
    bench_require(context && change(context), "a context");
}

int main(int argc, char **argv)
{
    bench_require(argc >= 4 && argc <= 6, "usage: load WORK SOURCE AMOUNT [PAUSE_MS [SAMPLES]]");
    uint64_t amount = strtoull(argv[3], NULL, 10);
    long pause_ms = argc > 4 ? strtol(argv[4], NULL, 10) : 0;
    bench_require(amount > 0 && pause_ms >= 0, "AMOUNT and PAUSE_MS are numbers");
    if (argc > 5) {
        sampled.file = fopen(argv[5], "w");
        bench_require(sampled.file != NULL, "SAMPLES can be written");
    }
    sampled.statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    bench_require(sampled.statm >= 0, "/proc/self/statm");
    if (sampled.file) /* its buffer is taken before the work, and not from the context */
        bench_require(fprintf(sampled.file, "# calls resident-MiB live-MiB\n") > 0, "SAMPLES can be written");
    if (strcmp(argv[2], "malloc") != 0) {
        bench_require(strcmp(argv[2], "mmap") == 0 || strcmp(argv[2], "huge") == 0, "SOURCE is malloc, mmap or huge");
        use_source(strcmp(argv[2], "huge") == 0 ? CTXALLOC_MMAP_HUGE : 0);
    }
    if (strcmp(argv[1], "sawtooth") == 0)
        run_sawtooth(amount, pause_ms);
    else if (strcmp(argv[1], "replace") == 0)
        run_replace(amount);
    else
        bench_require(0, "WORK is sawtooth or replace");
    if (sampled.file)
        bench_require(fclose(sampled.file) == 0, "SAMPLES was written");
    return 0;
}
