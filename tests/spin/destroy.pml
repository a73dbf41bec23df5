/* Remote frees on their way while a context is destroyed and its heap's record gets another life (ca_remote_free, magazine_receive, ca_heap_drop).
 *
 * In each life the owner hands one block to each sender, at the same addresses every time; a sender frees it, or leaves it to the destruction.  What it freed may
 * lie in its outbox, or in the inbox, for as long as it likes.  The owner destroys when the senders are done with their calls: that much is the program's.
 * Claim: no free of an earlier life touches a block of a later one, and in the last life every block that was freed arrives.
 *
 * Mutants, each of which must fail: NO_GENERATION (not looked at on arrival) NO_INCREMENT (at the drop) MIXED_OUTBOX (a free joins a magazine of an
 * earlier generation) PLAIN_PUSH PLAIN_TAKE
 *
 * -DCONCURRENT: the owner does not wait for the calls, so that a free is in the middle while its context is destroyed.  Claim: a free that found its block live
 * in one life touches nothing of another.  The generation is read and then the block looked at, and the drop has the blocks first; with GENERATION_LAST
 * (the other way round, in both) it fails.  (A block that is given out again before the free has looked at it is left out: no allocator can tell that free
 * from a right one.)
 */
#define SENDERS 2
#ifdef CONCURRENT
#define LIVES 2
#else
#define LIVES 3
#endif
#define MAGAZINES (SENDERS * LIVES)

byte inbox, next[MAGAZINES + 1];
byte generation;
bool live[SENDERS];                     /* the block of each sender */
byte life;                              /* which, for the claims */
bool handed[SENDERS], called[SENDERS];  /* the block was given out in this life; the sender is done with it */
bool freed[SENDERS];                    /* it called free in this life */
bool looking[SENDERS];                  /* a free has begun and has not looked at its block yet */
bool over, flushed[SENDERS];

/* magazines: at most two blocks, both the same sender's */
byte mgeneration[MAGAZINES + 1], mlife[MAGAZINES + 1], mlife2[MAGAZINES + 1], mblock[MAGAZINES + 1], used;

inline take(m)
{
#ifdef PLAIN_TAKE
	m = inbox;
	inbox = 0
#else
	atomic { m = inbox; inbox = 0 }
#endif
}

inline block_free(m, born)
{
	assert(born == life);
	assert(live[mblock[m]]);
	live[mblock[m]] = false
}

inline drain(m)
{
	take(m);
	do
	:: m == 0 -> break
	:: m != 0 ->
		d_step {
			if
#ifndef NO_GENERATION
			:: mgeneration[m] != generation -> skip
#endif
			:: else ->
				block_free(m, mlife[m]);
				if
				:: mlife2[m] != 0 -> block_free(m, mlife2[m])
				:: else -> skip
				fi
			fi
		}
		m = next[m]
	od
}

inline drop(m)
{
#ifdef GENERATION_LAST
#ifndef NO_INCREMENT
	generation++;
#endif
	drain(m);
	live[0] = false;
	live[1] = false
#else
	live[0] = false;
	live[1] = false;
#ifndef NO_INCREMENT
	generation++;
#endif
	drain(m)
#endif
}

/* Blocks that have arrived can be given out; what is on its way keeps its bit. */
proctype owner()
{
	byte m;

	do
	:: life < LIVES ->
		atomic {
#ifdef CONCURRENT
			!looking[0] && !looking[1];
#endif
			life++;
			live[0] = true; live[1] = true;
			freed[0] = false; freed[1] = false;
			called[0] = false; called[1] = false;
			handed[0] = true; handed[1] = true
		}
		if
		:: drain(m)
		:: skip
		fi;
#ifdef CONCURRENT
		if
		:: life == LIVES -> called[0] && called[1]
		:: else -> skip
		fi;
#else
		called[0] && called[1];
#endif
		if
		:: life < LIVES -> drop(m)
		:: else -> break
		fi
	od;
	over = true;
	flushed[0] && flushed[1];
	drain(m);
#ifndef CONCURRENT
	assert((freed[0] -> !live[0] : live[0]) && (freed[1] -> !live[1] : live[1]));
#endif
	assert(inbox == 0)
}

inline send(m, head, done)
{
	head = inbox;
	do
	:: next[m] = head;
#ifdef PLAIN_PUSH
		done = (inbox == head);
		if
		:: done -> inbox = m
		:: else -> head = inbox
		fi;
#else
		atomic { done = (inbox == head); if :: done -> inbox = m :: else -> head = inbox fi }
#endif
		if
		:: done -> break
		:: else -> skip
		fi
	od
}

proctype sender(byte s)
{
	byte box, head, g, seen;
	bool done, is_live;

	do
	:: atomic { handed[s] -> handed[s] = false; looking[s] = true }
		if
		:: /* free(block) */
#ifndef GENERATION_LAST
			g = generation;
			atomic { is_live = live[s]; seen = life; looking[s] = false }
#else
			atomic { is_live = live[s]; seen = life; looking[s] = false }
			g = generation;
#endif
			if
			:: is_live ->
				if
#ifndef MIXED_OUTBOX
				:: box != 0 && mgeneration[box] != g -> send(box, head, done); box = 0
#endif
				:: else -> skip
				fi;
				if
				:: box == 0 -> d_step { used++; box = used; mgeneration[box] = g; mblock[box] = s; mlife[box] = seen }
				:: else -> mlife2[box] = seen
				fi;
				freed[s] = true
			:: else -> skip /* freed context: a verdict */
			fi;
			if
			:: box != 0 -> send(box, head, done); box = 0 /* full, or flushed */
			:: box != 0 && mlife2[box] == 0 -> skip
			:: box == 0 -> skip
			fi
		:: looking[s] = false /* it goes with the context */
		fi;
		called[s] = true
	:: over && !handed[s] -> break
	od;
	if
	:: box != 0 -> send(box, head, done)
	:: else -> skip
	fi;
	flushed[s] = true
}

init {
	atomic {
		run owner();
		run sender(0);
		run sender(1)
	}
}
