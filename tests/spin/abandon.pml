/* Remote frees into a heap whose owner leaves and another takes over (src/heap/remote.c: magazine_send, abandoned_drain, ca_heap_abandon, ca_heap_adopt).
 *
 * Two senders push two magazines each; the owner drains when it likes, abandons the heap, and somebody may adopt it and abandon it again: a thread's
 * end, a context that was adopted, a migration.
 * Claim: one at a time is in the heap; in the end every magazine has arrived, once, and none waits in the inbox of a heap that nobody has.
 *
 * The store of the state waits in a buffer of its thread, until a fence or a compare-and-swap of that thread.
 *
 * Mutants, each of which must fail: PLAIN_PUSH PLAIN_TAKE PLAIN_BUSY NO_SECOND_LOOK NO_FENCE NO_LOOK_AT_STATE RELAXED_PUSH RELAXED_TAKE
 */
#define SENDERS 2
#define EACH 2
#define MAGAZINES (SENDERS * EACH)
#define THREADS (SENDERS + 2)
#define OWNER SENDERS
#define ADOPTER (SENDERS + 1)

mtype = { OWNED, ABANDONED, BUSY };

mtype state = OWNED;
byte inbox;                /* the first magazine, 0: none */
byte next[MAGAZINES + 1];
bool state_waits[THREADS]; /* of each thread: its store of ABANDONED is not seen by the others */

byte inside;               /* threads that work on the heap's own lists */
byte arrived[MAGAZINES + 1];

inline fence(t)
{
	atomic {
		if
		:: state_waits[t] -> state = ABANDONED; state_waits[t] = false
		:: else -> skip
		fi
	}
}

proctype memory(byte t)
{
end:	do
	:: atomic { state_waits[t] -> state = ABANDONED; state_waits[t] = false }
	od
}

inline store_abandoned(t)
{
	state_waits[t] = true;
#ifndef NO_FENCE
	fence(t)
#endif
}

/* state: ABANDONED -> to, and whether it was. */
inline state_swap(t, to, done)
{
#ifdef PLAIN_BUSY
	done = (state == ABANDONED);
	if
	:: done -> state = to
	:: else -> skip
	fi
#else
	atomic {
		if
		:: state_waits[t] -> state = ABANDONED; state_waits[t] = false
		:: else -> skip
		fi;
		done = (state == ABANDONED);
		if
		:: done -> state = to
		:: else -> skip
		fi
	}
#endif
}

inline drain(m, n)
{
	inside++;
	assert(inside == 1);
#ifdef RELAXED_TAKE
	n = next[inbox]; /* read before the exchange */
	atomic { m = inbox; inbox = 0 }
#elif defined(PLAIN_TAKE)
	m = inbox;
	inbox = 0
#else
	atomic { m = inbox; inbox = 0 }
#endif
	do
	:: m == 0 -> break
	:: else ->
		arrived[m]++;
		assert(arrived[m] == 1);
#ifdef RELAXED_TAKE
		m = n;
		n = next[m]
#else
		m = next[m]
#endif
	od;
	inside--
}

inline abandoned_drain(t, m, n, done)
{
	do
	:: inbox != 0 ->
		state_swap(t, BUSY, done);
		if
		:: done ->
			drain(m, n);
			store_abandoned(t)
#ifdef NO_SECOND_LOOK
			; break
#endif
		:: else -> break
		fi
	:: inbox == 0 -> break
	od
}

inline abandon(t, m, n, done)
{
	drain(m, n);
	store_abandoned(t);
#ifndef NO_SECOND_LOOK
	abandoned_drain(t, m, n, done)
#endif
}

proctype sender(byte t)
{
	byte i, head, m, n;
	bool done;

	for (i : 1 .. EACH) {
		head = inbox;
		do
		::
#ifdef RELAXED_PUSH
			atomic { done = (inbox == head); if :: done -> inbox = t * EACH + i :: else -> head = inbox fi }
			if
			:: done -> next[t * EACH + i] = head; break
			:: else -> skip
			fi
#else
			next[t * EACH + i] = head;
#ifdef PLAIN_PUSH
			done = (inbox == head);
			if
			:: done -> inbox = t * EACH + i
			:: else -> head = inbox
			fi;
#else
			atomic { done = (inbox == head); if :: done -> inbox = t * EACH + i :: else -> head = inbox fi }
#endif
			if
			:: done -> break
			:: else -> skip
			fi
#endif
		od;
		fence(t); /* as the compare-and-swap is one */
#ifndef NO_LOOK_AT_STATE
		if
		:: state == ABANDONED -> abandoned_drain(t, m, n, done)
		:: state != ABANDONED -> skip
		fi
#endif
	}
}

proctype owner()
{
	byte m, n;
	bool done;

	if
	:: drain(m, n)
	:: skip
	fi;
	abandon(OWNER, m, n, done)
}

proctype adopter()
{
	byte m, n;
	bool done;

	state_swap(ADOPTER, OWNED, done);
	if
	:: done ->
		inside++; /* mallocs */
		assert(inside == 1);
		inside--;
		abandon(ADOPTER, m, n, done)
	:: else -> skip /* BUSY, or not abandoned yet */
	fi
}

init {
	byte i;

	atomic {
		for (i : 0 .. THREADS - 1) {
			run memory(i)
		}
		run sender(0);
		run sender(1);
		run owner();
		run adopter()
	}
	_nr_pr == THREADS + 1; /* what remains is the memory */
	!state_waits[0] && !state_waits[1] && !state_waits[OWNER] && !state_waits[ADOPTER];
	assert(state == ABANDONED && inbox == 0);
	for (i : 1 .. MAGAZINES) {
		assert(arrived[i] == 1)
	}
}
