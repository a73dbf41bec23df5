# Writes redis commands, one a line: data of every type, then deletes, overwrites and growth, so that the
# server frees and reallocates blocks of many sizes. The same on every run.
function filler(n, text) {
    text = "abcdefghijklmnopqrstuvwxyz0123456789"
    while (length(text) < n) text = text text
    return substr(text, 1, n)
}
BEGIN {
    for (i = 0; i < 20000; i++) print "SET string:" i " " i ":" filler(i * 7 % 900 + 1)
    for (i = 0; i < 20000; i += 3) print "DEL string:" i
    for (i = 0; i < 20000; i += 2) print "APPEND string:" i " " filler(i * 13 % 400 + 1)
    for (i = 0; i < 8000; i++) print "RPUSH list:" i % 7 " " filler(i % 120 + 1) i
    for (i = 0; i < 8000; i++) print "HSET hash:" i % 97 " field:" i % 83 " " filler(i % 300 + 1)
    for (i = 0; i < 8000; i++) print "ZADD board:" i % 5 " " i * 7919 % 10007 " player:" i
    for (i = 0; i < 8000; i++) print "SADD set:" i % 11 " member:" filler(i % 60 + 1) i
    for (i = 0; i < 4000; i++) print "XADD stream:" i % 3 " 1-" i + 1 " name " filler(i % 90 + 1)
    for (i = 0; i < 8000; i += 2) print "ZREM board:" i % 5 " player:" i
    for (i = 0; i < 3000; i++) print "LPOP list:" i % 7
    for (i = 0; i < 64; i++) print "SETRANGE big:" i % 4 " " i * 65536 " " filler(60000)
    for (i = 0; i < 1000; i++) print "RENAME string:" i * 6 + 1 " renamed:" i
}
