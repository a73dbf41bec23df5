/* A context handed from thread to thread by its `holder` word (src/front/context.h): ca_context_switch_fast, both halves; the word keeps who left it.
 *
 * Memory is weak: a plain store waits in its thread's buffer and becomes visible at any later time, in any order with stores to other words; a plain
 * load of the contents may see what they were at any time since the thread's last acquire.
 *
 * Claim 1 (default): thread after thread takes the context as soon as it sees it free, with no other synchronisation; each finds what the one before
 *   wrote, and no two have it at once.  Only that two threads do not try at once is the program's to see to: `turn`.
 * Claim 2 (-DRACE): with nobody seeing to it, two threads that had it at once are found out when one of them switches away.
 *
 * Claim 3 (-DBY_HANDLE): a thread that had it last allocates by handle (ca_context_malloc) while another switches to it, which any program may do.  It fails: both
 *   may see that it was left, and both take it.
 *
 * Mutants, each of which must fail: PLAIN_RELEASE PLAIN_ACQUIRE NO_MARK; with RACE: NO_CHECK.
 * With RACE and BUFFERED it fails, too, and that is known: two threads whose whole stay falls within the time that a store takes to become visible are
 * not found out.  A fence in every switch would be the price.
 */
#define THREADS 3
#define WRITES 2
#define MARK(t) ((t) + 2)
#define LEFT 64 /* with the mark of who left it */

byte holder = MARK(0) + LEFT; /* as all see it; thread 0 made it */
byte contents; /* of the context: a number that each holder counts up */

/* of each thread */
bool holder_waits[THREADS], contents_wait[THREADS];
byte holder_next[THREADS], contents_next[THREADS]; /* stores that wait */
byte view[THREADS];                                /* of the contents: what it saw last */

/* what is claimed */
byte turn, inside, expected;
bool overlapped, found_out;

inline load_holder(t, v)
{
	atomic {
		if
		:: holder_waits[t] -> v = holder_next[t]
		:: else -> v = holder
		fi
	}
}

inline store_holder(t, v)
{
	atomic {
#if defined(RACE) && !defined(BUFFERED)
		holder = v
#else
		holder_next[t] = v; /* one that waits already is never seen */
		holder_waits[t] = true
#endif
	}
}

inline acquire(t)
{
	atomic {
#ifndef PLAIN_ACQUIRE
		view[t] = contents
#endif
		skip
	}
}

/* Earlier stores of the contents come first. */
inline release(t)
{
#ifndef PLAIN_RELEASE
	!contents_wait[t]
#else
	skip
#endif
}

inline load_contents(t, v)
{
	atomic {
		if
		:: contents_wait[t] -> v = contents_next[t]
		:: !contents_wait[t] -> v = view[t]
		:: !contents_wait[t] -> view[t] = contents; v = view[t]
		fi
	}
}

inline store_contents(t, v)
{
	atomic {
		contents_next[t] = v;
		contents_wait[t] = true
	}
}

proctype memory(byte t)
{
end:	do
	:: atomic { holder_waits[t] -> holder = holder_next[t]; holder_waits[t] = false }
	:: atomic { contents_wait[t] -> contents = contents_next[t]; view[t] = contents; contents_wait[t] = false }
	od
}

inline stay(t, v, n)
{
	n = 0;
	do
	:: n < WRITES ->
		load_contents(t, v);
		assert(v == expected);
		store_contents(t, v + 1);
		expected++;
		n++
	:: else -> break
	od
}

proctype in_turn(byte t)
{
	byte v, n;

	turn == t;
	do
	:: load_holder(t, v);
		if
		:: v >= LEFT -> break
		:: else -> skip /* refused: EBUSY */
		fi
	od;
	acquire(t);
#ifndef NO_MARK
	store_holder(t, MARK(t));
#endif
	inside++;
	assert(inside == 1);
	!holder_waits[t]; /* the program tells the next one in a way that is ordered after it */
	turn++;
	stay(t, v, n);
	load_holder(t, v);
#ifndef NO_MARK
	assert(v == MARK(t));
#endif
	inside--;
	release(t);
	store_holder(t, MARK(t) + LEFT)
}

/* ca_context_malloc: as by a switch if it was the last to have it, from the annex otherwise. */
proctype by_handle(byte t)
{
	byte v;

	load_holder(t, v);
	if
	:: v == MARK(t) + LEFT ->
		store_holder(t, MARK(t));
		inside++;
		assert(inside == 1);
		inside--;
		store_holder(t, MARK(t) + LEFT)
	:: else -> skip
	fi
}

proctype racing(byte t)
{
	byte v;

	load_holder(t, v);
	if
	:: v >= LEFT ->
		atomic {
			store_holder(t, MARK(t));
			overlapped = overlapped || inside > 0;
			inside++
		}
		atomic {
			load_holder(t, v);
#ifndef NO_CHECK
			found_out = found_out || v != MARK(t);
#endif
			inside--
		}
		store_holder(t, MARK(t) + LEFT)
	:: else -> skip
	fi
}

init {
	byte t;

	atomic {
		for (t : 0 .. THREADS - 1) {
			run memory(t)
		}
		for (t : 0 .. THREADS - 1) { /* these end, which they can only while there is none younger */
#ifdef RACE
			run racing(t)
#elif defined(BY_HANDLE)
			if
			:: t == 0 -> run by_handle(t); turn = 1
			:: else -> run in_turn(t)
			fi
#else
			run in_turn(t)
#endif
		}
	}
	_nr_pr == THREADS + 1; /* what remains is the memory */
#ifdef RACE
	assert(!overlapped || found_out)
#elif !defined(BY_HANDLE)
	!contents_wait[THREADS - 1] && !holder_waits[THREADS - 1];
	assert(contents == THREADS * WRITES && holder == MARK(THREADS - 1) + LEFT)
#endif
}
