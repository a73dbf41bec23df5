#include "words.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct word_list {
    char **words;
    size_t count, room;
} word_list;

static bool list_add(word_list *l, const char *from, size_t bytes)
{
    if (l->count == l->room) {
        size_t room = l->room ? l->room * 2 : 16;
        char **words = realloc(l->words, room * sizeof *words);
        if (!words)
            return false;
        l->words = words;
        l->room = room;
    }
    char *copy = strndup(from, bytes);
    if (!copy)
        return false;
    l->words[l->count++] = copy;
    return true;
}

static void list_free(word_list *l)
{
    while (l->count)
        free(l->words[--l->count]);
    free(l->words);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool list_print(word_list *l, char **page, size_t *page_bytes)
{
    if (l->count)
        qsort(l->words, l->count, sizeof *l->words, compare);
    FILE *out = open_memstream(page, page_bytes);
    if (!out)
        return false;
    bool good = true;
    for (size_t i = 0; i < l->count; i++)
        good = fprintf(out, "%zu %s\n", strlen(l->words[i]), l->words[i]) > 0 && good;
    good = fclose(out) == 0 && good;
    if (!good) {
        free(*page);
        *page = NULL;
    }
    return good;
}

bool words_of_text(const char *text, size_t bytes, char **page, size_t *page_bytes)
{
    word_list l = {0};
    bool good = true;
    for (size_t i = 0; good && i < bytes;) {
        size_t from = i;
        while (i < bytes && !isspace((unsigned char)text[i]))
            i++;
        if (i > from)
            good = list_add(&l, text + from, i - from);
        while (i < bytes && isspace((unsigned char)text[i]))
            i++;
    }
    good = good && list_print(&l, page, page_bytes);
    list_free(&l);
    return good;
}

bool words_made_up(unsigned long count, char **page, size_t *page_bytes)
{
    word_list l = {0};
    bool good = true;
    for (unsigned long i = 0; good && i < count; i++) {
        char word[40];
        int n = snprintf(word, sizeof word, "word-%08lx", i * 2654435761UL & 0xffffffff);
        good = list_add(&l, word, (size_t)n);
    }
    good = good && list_print(&l, page, page_bytes);
    list_free(&l);
    return good;
}
