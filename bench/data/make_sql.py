"""Prints the script of the sqlite3 benchmark: make_sql.py ROWS."""
import sys

rows = int(sys.argv[1])
print("PRAGMA cache_size=-16000; PRAGMA temp_store=MEMORY; BEGIN;")
print("CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT, city TEXT, age INTEGER, note TEXT);")
print("CREATE INDEX person_name ON person(name);")
seed = 42
for i in range(rows):
    seed = (seed * 1103515245 + 12345) % 2147483648
    number = seed // 65536
    print(f"INSERT INTO person VALUES({i}, 'name{number % 5003}', 'city{number % 211}', {number % 97}, '{'n' * (number % 120)}');")
print("COMMIT;")
print("CREATE TABLE copy AS SELECT * FROM person ORDER BY city, age DESC, name;")
print("SELECT city, count(*), sum(age), max(length(note)) FROM person GROUP BY city ORDER BY 2 DESC, 1;")
print("SELECT a.name, count(*) FROM person a JOIN person b ON a.name = b.name AND a.id < b.id GROUP BY a.name ORDER BY 2 DESC, 1 LIMIT 20;")
print("UPDATE person SET note = note || city WHERE age > 50;")
print("SELECT sum(length(group_note)) FROM (SELECT group_concat(note, '-') AS group_note FROM person GROUP BY city);")
for i in range(0, rows, 4):
    print(f"SELECT name, age FROM person WHERE id = {i} OR name = 'name{i % 5003}' LIMIT 3;")
