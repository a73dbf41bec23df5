-- A workload for sqlite3.sh: no random function, no time, so that the answers never change.
PRAGMA cache_size = -8000;
PRAGMA temp_store = memory;
CREATE TABLE item (id INTEGER PRIMARY KEY, owner INTEGER, name TEXT, body BLOB, price REAL);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
INSERT INTO item SELECT i, i * 7919 % 1009, printf('item %08d %s', i * 104729 % 999983, hex(i * 31)),
    zeroblob(i % 257), (i % 1000) / 8.0 FROM n;
COMMIT;
CREATE INDEX item_owner ON item (owner, price);
CREATE INDEX item_name ON item (name);
CREATE TABLE owner (id INTEGER PRIMARY KEY, label TEXT UNIQUE);
INSERT INTO owner SELECT DISTINCT owner, 'owner ' || owner FROM item;
SELECT count(*), sum(length(name)), sum(length(body)), sum(price) FROM item;
SELECT label, count(*), max(price), min(name) FROM item JOIN owner ON owner.id = item.owner
    GROUP BY label HAVING count(*) > 59 ORDER BY sum(price) DESC, label LIMIT 20;
SELECT owner, id, rank() OVER (PARTITION BY owner ORDER BY price DESC, id),
    sum(price) OVER (PARTITION BY owner ORDER BY id ROWS 3 PRECEDING) FROM item WHERE owner < 4 ORDER BY owner, id;
SELECT length(group_concat(name, ',')) FROM (SELECT name FROM item ORDER BY name DESC);
SELECT length(group_concat(replace(name, 'item', 'article'), x'0a')) FROM item WHERE id % 3 = 0;
UPDATE item SET name = name || ' changed ' || substr(hex(body), 1, 64), body = zeroblob(1000) WHERE id % 11 = 0;
DELETE FROM item WHERE id % 7 = 0;
BEGIN;
DELETE FROM item WHERE id % 2 = 0;
SAVEPOINT deeper;
UPDATE item SET price = price + 1;
ROLLBACK TO deeper;
SELECT count(*), sum(price) FROM item;
ROLLBACK;
SELECT count(*), sum(price) FROM item;
CREATE VIRTUAL TABLE prose USING fts5(text);
INSERT INTO prose SELECT 'word' || id % 313 || ' term' || id % 17 || ' ' || name FROM item WHERE id < 20000;
SELECT count(*) FROM prose WHERE prose MATCH 'word12 OR (term3 AND word100)';
SELECT rowid, snippet(prose, 0, '[', ']', '…', 4) FROM prose WHERE prose MATCH 'word7 AND term5' ORDER BY rowid LIMIT 5;
SELECT count(*), sum(json_extract(j, '$.list[2].a')) FROM
    (SELECT json_object('id', id, 'name', name, 'list', json_array(1, price, json_object('a', owner))) AS j FROM item);
CREATE TABLE large (id INTEGER PRIMARY KEY, data BLOB);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30)
INSERT INTO large SELECT i, zeroblob(i * 40000) FROM n;
SELECT sum(length(hex(data))) FROM large;
DELETE FROM large WHERE id % 2;
VACUUM;
PRAGMA integrity_check;
REINDEX;
ANALYZE;
SELECT a.owner, count(*) FROM item a JOIN item b ON a.owner = b.owner AND a.id < b.id WHERE a.owner % 200 = 0 GROUP BY 1;
