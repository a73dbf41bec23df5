/* The lock-free blocks of src/engine/blocks.c, for Spin: PROCS processes make up to CALLS calls each on N blocks, in every interleaving, and any of
 * them may be killed between any two steps. A read, a write and a compare-and-swap are one step each. Verified:
 *
 *   [1] no block is given to two holders, and of several frees of one block exactly one succeeds
 *   [2] an allocation fails only at a moment when no block was free
 *   [3] at the end the list is whole; of the blocks at most one for each killed process is lost
 *   [4] nobody waits for anybody: every process that is not killed ends (no invalid end state)
 *
 * Each of these, defined, takes away something that the algorithm needs, and must be found out (tests/spin/run):
 *   NO_TAG       the head has no tag against ABA
 *   NO_POP_CAS   an allocation writes the head without comparing
 *   NO_PUSH_CAS  a free does
 *   NO_CLAIM_CAS a free looks whether the block is live, and then writes
 *   NO_RECHECK   an allocation fails without a second look at the head
 */
#define N 3
#define LIVE 255

byte head = 0, tag = 0; /* index + 1 of the first free block, 0: none */
byte table[N];          /* LIVE, or index + 1 of the next free block */
byte fresh = 0;         /* blocks from here on were never used */

/* What the proof knows, and the processes do not look at. */
byte available = N;     /* blocks that an allocation starting now could take */
bool holds[N];
byte killed = 0, ended = 0;

#ifdef NO_TAG
#define SAME(h, t) (head == h)
#else
#define SAME(h, t) (head == h && tag == t)
#endif
#define DIE atomic { killed++; goto end }

proctype worker()
{
    byte h, t, next, f, index, calls = 0, held = 0;
    do
    :: calls == CALLS -> break
    :: calls < CALLS ->
        calls++;
        if
        :: held == 0 -> goto allocate
        :: held > 0 -> goto release
        :: held == 1 && calls < CALLS -> goto allocate /* a second block */
        :: calls == CALLS -> index = 0; goto claim     /* frees a block whoever has it */
        fi;

allocate:
        atomic { h = head; t = tag };
pop:
        if
        :: h == 0 -> goto untouched
        :: h != 0
        fi;
        next = table[h - 1];
        if
        :: true
        :: DIE
        fi;
#ifdef NO_POP_CAS
        d_step { index = h - 1; head = (next == LIVE -> 0 : next); available-- };
#else
        atomic {
            if
            :: SAME(h, t) -> index = h - 1; head = (next == LIVE -> 0 : next); available--; h = 0
            :: else -> h = head; t = tag; goto pop
            fi
        };
#endif
        goto taken;

untouched:
        f = fresh;
        if
        :: f == N -> goto used_up
        :: else
        fi;
        atomic {
            if
            :: fresh == f -> index = f; fresh++; available--
            :: else -> goto untouched
            fi
        };
        goto taken;

used_up:
#ifdef NO_RECHECK
        assert(available == 0);
#else
        atomic {
            if
            :: head == 0 -> assert(available == 0) /* [2]: it fails now */
            :: else -> goto allocate
            fi
        };
#endif
        goto next_call;

taken:
        if
        :: true
        :: DIE
        fi;
        atomic {
            assert(!holds[index]); /* [1] */
            table[index] = LIVE;
            holds[index] = true;
            held = held * 4 + index + 1
        };
        goto next_call;

release:
        atomic { index = held % 4 - 1; held = held / 4 };
claim:
#ifdef NO_CLAIM_CAS
        if
        :: table[index] == LIVE
        :: else -> goto next_call
        fi;
        atomic { assert(holds[index]); holds[index] = false; table[index] = 0 };
#else
        atomic {
            if
            :: table[index] == LIVE -> assert(holds[index]); holds[index] = false; table[index] = 0 /* [1] */
            :: else -> goto next_call
            fi
        };
#endif
        d_step { h = head; t = tag };
push:
        if
        :: true
        :: DIE
        fi;
        table[index] = h;
#ifdef NO_PUSH_CAS
        d_step { head = index + 1; tag++; available++ };
#else
        atomic {
            if
            :: head == h && tag == t -> head = index + 1; tag++; available++
            :: else -> h = head; t = tag; goto push
            fi
        };
#endif

next_call:
        atomic { h = 0; t = 0; next = 0; f = 0; index = 0 }
    od;
end:
    atomic { h = 0; t = 0; next = 0; f = 0; index = 0; calls = 0; held = 0; ended++ }
}

/* [3]: when all have ended. */
proctype audit()
{
    byte i, place, listed = 0, held = 0;
    bool free[N];
    ended == PROCS;
    d_step {
        place = head;
        do
        :: place == 0 -> break
        :: place != 0 ->
            assert(place <= fresh && listed < N);
            assert(table[place - 1] != LIVE && !free[place - 1]);
            free[place - 1] = true;
            listed++;
            place = table[place - 1]
        od;
        i = 0;
        do
        :: i == N -> break
        :: i < N ->
            assert(!(free[i] && holds[i]));
            assert(holds[i] == (table[i] == LIVE));
            held = held + holds[i];
            i++
        od;
        assert(listed + (N - fresh) == available);
        assert(available + held + killed >= N);
        assert(available + held <= N)
    }
}

init {
    byte i = 0;
    atomic {
        do
        :: i == PROCS -> break
        :: i < PROCS -> run worker(); i++
        od;
        run audit()
    }
}
