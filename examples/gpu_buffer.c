/* Sub-allocating one big buffer, as for a GPU: every block begins at a multiple of 256 bytes, and the allocator never touches the buffer.
 *
 *   gpu_buffer [FOLDER]     writes gpu_buffer.json and gpu_buffer.svg there (default: the current one), and prints a line
 *
 * The unit is a byte.  256 MiB of meshes and textures come and go; then the state is dumped: used and free ranges as JSON, and a picture
 * of its fragmentation, one row for each 4 MiB.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <ctxalloc/tlsf.h>

#define BUFFER ((uint64_t)256 << 20)
#define ROW ((uint64_t)4 << 20)

enum { ALIGN = 256, RESOURCES = 600, FRAMES = 20000 };

static uint32_t random_next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* Meshes of some KiB, and textures up to 4 MiB. */
static uint64_t resource_size(uint64_t *state)
{
    uint32_t random = random_next(state);
    return random % 5 ? 256 + random % 200000 : (uint64_t)1 << (16 + random % 7);
}

static void ranges_print(FILE *out, const ctxalloc_tlsf *buffer, const char *name, bool (*next)(const ctxalloc_tlsf *, ctxalloc_range *))
{
    ctxalloc_range range = {0};
    const char *comma = "";
    fprintf(out, "  \"%s\": [", name);
    while (next(buffer, &range)) {
        fprintf(out, "%s\n    {\"offset\": %" PRIu64 ", \"size\": %" PRIu64 "}", comma, range.offset, range.size);
        comma = ",";
    }
    fprintf(out, "\n  ]");
}

static void json_write(FILE *out, const ctxalloc_tlsf *buffer)
{
    fprintf(out, "{\n  \"capacity\": %" PRIu64 ", \"free\": %" PRIu64 ", \"largest\": %" PRIu64 ", \"blocks\": %" PRIu32 ",\n",
            ctxalloc_tlsf_capacity(buffer), ctxalloc_tlsf_free_total(buffer), ctxalloc_tlsf_free_largest(buffer), ctxalloc_tlsf_live(buffer));
    ranges_print(out, buffer, "used", ctxalloc_tlsf_next_used);
    fprintf(out, ",\n");
    ranges_print(out, buffer, "free_ranges", ctxalloc_tlsf_next_free);
    fprintf(out, "\n}\n");
}

/* A used range, row by row. */
static void svg_range(FILE *out, uint64_t offset, uint64_t size)
{
    while (size) {
        uint64_t in_row = offset % ROW, part = size < ROW - in_row ? size : ROW - in_row;
        fprintf(out, "<rect x=\"%.2f\" y=\"%" PRIu64 "\" width=\"%.2f\" height=\"9\"/>\n", (double)in_row * 1000 / (double)ROW,
                offset / ROW * 10, (double)part * 1000 / (double)ROW);
        offset += part;
        size -= part;
    }
}

static void svg_write(FILE *out, const ctxalloc_tlsf *buffer)
{
    ctxalloc_range range = {0};
    uint64_t rows = BUFFER / ROW;
    fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1000 %" PRIu64 "\" width=\"1000\" height=\"%" PRIu64 "\">\n",
            rows * 10, rows * 10);
    fprintf(out, "<title>256 MiB, a row for each 4 MiB; dark: in use</title>\n<rect width=\"1000\" height=\"%" PRIu64 "\" fill=\"#e8eef4\"/>\n",
            rows * 10);
    fprintf(out, "<g fill=\"#2f5d8a\">\n");
    while (ctxalloc_tlsf_next_used(buffer, &range))
        svg_range(out, range.offset, range.size);
    fprintf(out, "</g>\n</svg>\n");
}

static int file_write(const char *folder, const char *name, const ctxalloc_tlsf *buffer, void (*write)(FILE *, const ctxalloc_tlsf *))
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *out = fopen(path, "w");
    if (!out) {
        perror(path);
        return 1;
    }
    write(out, buffer);
    return fclose(out) != 0;
}

int main(int argc, char **argv)
{
    static ctxalloc_block resource[RESOURCES];
    static bool is_loaded[RESOURCES];
    uint64_t state = 1;
    unsigned refused = 0;
    ctxalloc_tlsf *buffer = ctxalloc_tlsf_create(BUFFER, RESOURCES);
    if (!buffer) {
        perror("gpu_buffer");
        return 1;
    }
    for (int frame = 0; frame < FRAMES; frame++) {
        uint32_t i = random_next(&state) % RESOURCES;
        if (is_loaded[i]) {
            if (ctxalloc_tlsf_free(buffer, resource[i]))
                return 1;
            is_loaded[i] = false;
            continue;
        }
        resource[i] = ctxalloc_tlsf_alloc_aligned(buffer, resource_size(&state), ALIGN);
        is_loaded[i] = resource[i].offset != CTXALLOC_NONE;
        refused += !is_loaded[i]; /* here a renderer would evict something */
        if (is_loaded[i] && resource[i].offset % ALIGN)
            return 1;
    }
    const char *folder = argc > 1 ? argv[1] : ".";
    if (file_write(folder, "gpu_buffer.json", buffer, json_write) || file_write(folder, "gpu_buffer.svg", buffer, svg_write))
        return 1;
    printf("%" PRIu32 " blocks, %.1f of %.0f MiB free, the largest range %.1f MiB, %u refused\n", ctxalloc_tlsf_live(buffer),
           (double)ctxalloc_tlsf_free_total(buffer) / (1 << 20), (double)BUFFER / (1 << 20),
           (double)ctxalloc_tlsf_free_largest(buffer) / (1 << 20), refused);
    ctxalloc_tlsf_destroy(buffer);
    return 0;
}
