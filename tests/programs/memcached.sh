#!/bin/bash
# memcached with four threads: a client stores, fetches, replaces, appends to, counts in and deletes some
# ten thousand items of 1 byte to 900 KB over several connections, and checks every answer.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need memcached
python_find

memcached_items() {
    local user=()
    [ "$(id -u)" -ne 0 ] || user=(-u root)
    # Enough memory that nothing is evicted: then every answer is known.
    serve memcached "${user[@]}" -s "$PWD/socket" -m 512 -t 4 -I 2m
    await "$python" -c 'import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])' socket # the file is there before anybody listens
    maps_right "$server"
    timeout "$seconds_max" "$python" "$inputs/memcached.py" socket
    maps_right "$server"
    kill -TERM "$server"
    server_end
}

both memcached_items
saw memcached
done_ok
