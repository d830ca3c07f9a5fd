-- The table $1 and its partitions, as far as they were rewritten since their creation, with their current
-- filenode. All versions. Calls no function that locks a partition.
WITH RECURSIVE parts (oid) AS (
    SELECT $1::oid
    UNION ALL
    SELECT i.inhrelid
    FROM parts AS p
    JOIN pg_catalog.pg_class AS c ON c.oid = p.oid AND c.relkind = 'p'
    JOIN pg_catalog.pg_inherits AS i ON i.inhparent = p.oid
)
SELECT c.oid AS oid, c.relfilenode AS file
FROM parts AS p
JOIN pg_catalog.pg_class AS c ON c.oid = p.oid
WHERE c.relkind = 'r' AND c.relfilenode <> c.oid
