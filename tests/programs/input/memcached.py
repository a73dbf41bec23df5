"""A memcached client that knows every answer it should get; prints a digest of all that it fetched."""
import hashlib
import socket
import sys
import threading

COUNT = 4000
THREADS = 4


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.file = self.socket.makefile("rwb")

    def ask(self, line, data=None):
        self.file.write(line.encode() + b"\r\n" + (data + b"\r\n" if data is not None else b""))
        self.file.flush()
        return self.file.readline().rstrip(b"\r\n")

    def fetch(self, key):
        head = self.ask("get " + key)
        if head == b"END":
            return None
        size = int(head.split()[3])
        data = self.file.read(size + 2)[:-2]
        assert self.file.readline() == b"END\r\n", "no END"
        return data


def value(worker, i, version):
    size = 900_000 if i % 997 == 5 else (i * 7919 + version * 31) % 3000 + 1
    unit = b"%d/%d/%d;" % (worker, i, version)
    return (unit * (size // len(unit) + 1))[:size]


def work(path, worker, digests):
    client = Client(path)
    digest = hashlib.sha256()
    key = lambda i: "key:%d:%d" % (worker, i)
    for i in range(COUNT):
        assert client.ask("set %s 0 0 %d" % (key(i), len(value(worker, i, 0))), value(worker, i, 0)) == b"STORED"
    for i in range(0, COUNT, 3):
        assert client.ask("delete " + key(i)) == b"DELETED"
    for i in range(1, COUNT, 3):
        new = value(worker, i, 1)
        assert client.ask("replace %s 0 0 %d" % (key(i), len(new)), new) == b"STORED"
    for i in range(2, COUNT, 3):
        assert client.ask("append %s 0 0 4" % key(i), b"tail") == b"STORED"
    for i in range(COUNT):
        expected = [None, value(worker, i, 1), value(worker, i, 0) + b"tail"][i % 3]
        found = client.fetch(key(i))
        assert found == expected, "key %d of worker %d is wrong" % (i, worker)
        digest.update(found or b"-")
    assert client.ask("set n%d 0 0 1" % worker, b"0") == b"STORED"
    for i in range(1000):
        assert client.ask("incr n%d %d" % (worker, i)) == b"%d" % (i * (i + 1) // 2)
    digests[worker] = digest.hexdigest()


def main():
    digests = [None] * THREADS
    threads = [threading.Thread(target=work, args=(sys.argv[1], n, digests)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("\n".join(map(str, digests)))
    client = Client(sys.argv[1])
    assert client.ask("flush_all") == b"OK"
    assert client.fetch("key:0:1") is None
    return 0 if None not in digests else 1


sys.exit(main())
