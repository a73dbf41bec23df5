#include "base/numa_policy.h"

#include <string.h>

#include "base/print.h"

static const struct {
    const char *word;
    bool list, needed;
} modes[] = {
    [CA_NUMA_DEFAULT] = {"default", false, false}, [CA_NUMA_OFF] = {"off", false, false},
    [CA_NUMA_LOCAL] = {"local", false, false},     [CA_NUMA_PREFERRED] = {"preferred", true, true},
    [CA_NUMA_BIND] = {"bind", true, true},         [CA_NUMA_INTERLEAVE] = {"interleave", true, false},
    [CA_NUMA_STRICT] = {"strict", true, true},
};

unsigned ca_numa_set_next(const ca_numa_set *set, unsigned from)
{
    for (; from < CA_NUMA_NODES; from = (from / 64 + 1) * 64) {
        uint64_t word = set->bits[from / 64] >> from % 64;
        if (word)
            return from + ca_bit_low(word);
    }
    return CA_NUMA_NODES;
}

unsigned ca_numa_set_count(const ca_numa_set *set)
{
    unsigned count = 0;
    for (unsigned i = 0; i < CA_NUMA_NODES / 64; i++)
        count += ca_bit_count(set->bits[i]);
    return count;
}

/* A node's number at text[*at]. */
static bool node_parse(const char *text, size_t length, size_t *at, unsigned *node)
{
    size_t start = *at;
    for (*node = 0; *at < length && text[*at] >= '0' && text[*at] <= '9'; ++*at) {
        *node = *node * 10 + (unsigned)(text[*at] - '0');
        if (*node >= CA_NUMA_NODES)
            return false;
    }
    return *at > start;
}

bool ca_numa_set_parse(ca_numa_set *set, const char *text, size_t length)
{
    ca_numa_set s = {{0}};
    while (length && (text[length - 1] == '\n' || text[length - 1] == ' '))
        length--;
    for (size_t at = 0; at < length; at++) { /* past the separator */
        unsigned first, last;
        if (!node_parse(text, length, &at, &first))
            return false;
        last = first;
        if (at < length && text[at] == '-') {
            at++;
            if (!node_parse(text, length, &at, &last) || last < first)
                return false;
        }
        for (; first <= last; first++)
            ca_numa_set_add(&s, first);
        if (at < length && ((text[at] != ',' && text[at] != '+') || at + 1 == length))
            return false;
    }
    *set = s;
    return true;
}

bool ca_numa_policy_parse(ca_numa_policy *policy, const char *text, size_t length)
{
    const char *colon = memchr(text, ':', length);
    size_t word = colon ? (size_t)(colon - text) : length;
    for (unsigned i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strlen(modes[i].word) != word || memcmp(modes[i].word, text, word) != 0)
            continue;
        ca_numa_policy p = {(enum ca_numa_mode)i, {{0}}};
        if (colon ? !modes[i].list || word + 1 == length || !ca_numa_set_parse(&p.nodes, colon + 1, length - word - 1) : modes[i].needed)
            return false;
        unsigned count = ca_numa_set_count(&p.nodes);
        if ((colon && !count) || (i == CA_NUMA_PREFERRED && count != 1))
            return false;
        *policy = p;
        return true;
    }
    return false;
}

const char *ca_numa_policy_format(char *buffer, size_t size, const ca_numa_policy *policy)
{
    size_t n = ca_format(buffer, size, "%s", modes[policy->mode].word);
    char separator = ':';
    for (unsigned first = ca_numa_set_next(&policy->nodes, 0), last; first < CA_NUMA_NODES && n + 1 < size; first = ca_numa_set_next(&policy->nodes, last + 1)) {
        last = first;
        while (ca_numa_set_has(&policy->nodes, last + 1))
            last++;
        n += first == last ? ca_format(buffer + n, size - n, "%c%u", separator, first) : ca_format(buffer + n, size - n, "%c%u-%u", separator, first, last);
        separator = ',';
    }
    return buffer;
}

bool ca_numa_policy_equal(const ca_numa_policy *a, const ca_numa_policy *b)
{
    return a->mode == b->mode && !memcmp(&a->nodes, &b->nodes, sizeof a->nodes);
}
