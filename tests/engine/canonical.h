/* An engine's memory in canonical form, for the exhaustive search.
 *
 * Nodes (tlsf) and ranges (fit) have numbers that only say who is who: which one a block has depends on what was freed before, in which
 * order.  canonical_X renames them in place: those of blocks in order of offset, then the spare ones, whose list is put in order too.  And
 * what is dead is overwritten with rubbish: of a spare node all but its link, of an array the places beyond its end, and the count of
 * scans, which nobody reads.  A hint of fit, which is never trusted, says what is so.  All other bytes stay.
 *
 * Nothing that the engine may do later is lost.  It goes on from the renamed memory itself, so the memory is all there is: two sequences
 * with the same canonical bytes are at the same point.  Renaming can hide only that an engine computes or compares with a number
 * (it does so with none but `fresh`, below which all stay), or that it reads what is dead; and that reads rubbish.  In particular these are
 * kept: the order of the places of a bin, of a ring and a tree; how many nodes were never used; the size of every range.
 *
 * pre: the engine is valid, and it is small: CANONICAL_MOST nodes; tlsf: no bin has a second chunk; fit: the order is one leaf.
 */
#ifndef TESTS_ENGINE_CANONICAL_H
#define TESTS_ENGINE_CANONICAL_H

#include <stdbool.h>
#include <stdint.h>

enum { CANONICAL_MOST = 64, CANONICAL_RUBBISH = 0x5a5a5a5a };

/* new_name[n]: what node n is called now. false: not small, or a node is lost. */
bool canonical_tlsf(void *engine, uint32_t new_name[CANONICAL_MOST]);
bool canonical_tlsf16(void *engine, uint32_t new_name[CANONICAL_MOST]);
bool canonical_fit(void *engine, uint32_t new_name[CANONICAL_MOST]);
bool canonical_fit64(void *engine, uint32_t new_name[CANONICAL_MOST]);

#endif
