-- The values of the columns $2 of table $1 in rows that are older than the column, over the table and
-- its partitions. All versions. Calls no function that locks a partition.
WITH RECURSIVE parts (oid) AS (
    SELECT $1::oid
    UNION ALL
    SELECT i.inhrelid
    FROM parts AS p
    JOIN pg_catalog.pg_class AS c ON c.oid = p.oid AND c.relkind = 'p'
    JOIN pg_catalog.pg_inherits AS i ON i.inhparent = p.oid
),
held AS (
    SELECT a.attname AS name,
           c.relkind = 'r' AS holds_rows,
           a.attidentity <> '' OR a.atthasdef AS has_default,
           a.atthasmissing AS has_missing,
           -- An array of one element. Only box has another delimiter than the comma, and its text
           -- contains commas and no quotes.
           CASE
               WHEN NOT a.atthasmissing THEN NULL
               WHEN t.typdelim = ',' THEN (a.attmissingval::text::text[])[1]
               ELSE pg_catalog.btrim(a.attmissingval::text, '{}')
           END AS missing,
           a.xmin::text::int8 AS written_by,
           -- The pg_attribute row is not newer than the pg_class row, which changed when rows were last
           -- rewritten or a column was added: since then no default was dropped or lost its constant.
           pg_catalog.age(a.xmin) > pg_catalog.age(c.xmin)
               OR a.xmin::text = c.xmin::text AND a.cmin::text::int8 <= c.cmin::text::int8 AS untouched
    FROM parts AS p
    JOIN pg_catalog.pg_class AS c ON c.oid = p.oid
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
    JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
    WHERE a.attname = ANY ($2::text[]) AND a.attnum > 0 AND NOT a.attisdropped
)
SELECT h.name::text AS name,
       pg_catalog.bool_or(h.has_default) AS has_default,
       pg_catalog.bool_or(h.has_missing) AS some_missing,
       coalesce(pg_catalog.bool_and(h.has_missing) FILTER (WHERE h.holds_rows), false)
           AND pg_catalog.count(DISTINCT h.missing) = 1 AS same_missing,
       pg_catalog.min(h.missing) AS missing,
       coalesce(pg_catalog.bool_and(h.untouched) FILTER (WHERE h.holds_rows), false) AS untouched,
       pg_catalog.array_agg(DISTINCT h.written_by) AS written_by
FROM held AS h
GROUP BY h.name
