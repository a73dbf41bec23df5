#!/bin/bash
# redis-server under redis-benchmark; then known data is written, changed, saved, and read back after a
# restart from the dump. Redis's own digest of all data must survive and be the one that glibc gives.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need redis-server redis-cli redis-benchmark awk

redis_serve() {
    serve redis-server --port 0 --unixsocket "$PWD/socket" --dir "$PWD" --save '' --daemonize no \
        --enable-debug-command local --dbfilename dump.rdb --io-threads 2
    await eval '[ "$(redis-cli -s socket ping)" = PONG ]' # while it reads the dump, it answers that it does
    maps_right "$server"
}

redis_stop() {
    redis-cli -s socket shutdown nosave
    server_end
}

# The digest covers keys, types, values and times to live. Some values are read too, by another way.
redis_digest() {
    redis-cli -s socket debug digest
    redis-cli -s socket dbsize
    redis-cli -s socket get string:777
    redis-cli -s socket lrange list:3 0 4
    redis-cli -s socket zrevrange board:1 0 4 withscores
    redis-cli -s socket hget hash:11 field:42
    redis-cli -s socket strlen big:1
}

redis_data() {
    redis_serve
    under redis-benchmark -s socket -q -n 20000 -c 20 -P 8 -r 20000 -d 150 \
        -t set,get,incr,lpush,rpop,sadd,hset,zadd,mset >&2
    redis-cli -s socket flushall
    # One connection keeps the commands in order.
    awk -f "$inputs/redis.awk" | under redis-cli -s socket --pipe >pipe.log
    grep -q 'errors: 0' pipe.log
    redis-cli -s socket memory doctor >&2
    redis_digest
    redis-cli -s socket bgsave >&2
    await eval 'redis-cli -s socket info persistence | grep -q rdb_bgsave_in_progress:0'
    redis-cli -s socket info persistence | grep rdb_last_bgsave_status
    redis_stop
    redis_serve
    redis_digest
    redis_stop
}

both redis_data
[ "$(grep -c '^[0-9a-f]\{40\}$' "$work/ctxalloc.out")" -eq 2 ] || fail "no two digests in the output"
[ "$(grep '^[0-9a-f]\{40\}$' "$work/ctxalloc.out" | uniq | wc -l)" -eq 1 ] || fail "the restart changed the data"
saw redis-server redis-cli redis-benchmark
done_ok
