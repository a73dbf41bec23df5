"""Work for the python benchmark: objects, dictionaries, strings, JSON, sorting.  Prints a checksum."""
import json
import zlib


class Record:
    def __init__(self, number, name):
        self.number = number
        self.name = name
        self.links = []


def make_random():
    seed = 42

    def below(bound):
        nonlocal seed
        seed = (seed * 1103515245 + 12345) % 2147483648
        return seed // 65536 % bound

    return below


below = make_random()
checksum = 0
for _ in range(2):
    records = [Record(i, "name%d" % below(5000)) for i in range(25000)]
    for record in records:
        record.links = [records[below(len(records))] for _ in range(3)]
    index = {}
    for record in records:
        index.setdefault(record.name, []).append((record.number, record.links[0].name))
    text = json.dumps(index, sort_keys=True)
    again = json.loads(text)
    words = " ".join(sorted(again, key=lambda name: (len(again[name]), name))).split()
    checksum = zlib.crc32(text.encode(), checksum) + len("".join(reversed(words)))
    for record in records:
        record.links.clear()
print(checksum)
