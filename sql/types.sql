-- What the text of the types $1 looks like: domains are followed to what they are of. All versions.
WITH RECURSIVE base (asked, oid, typbasetype) AS (
    SELECT t.oid, t.oid, t.typbasetype
    FROM pg_catalog.pg_type AS t
    WHERE t.oid = ANY ($1::oid[])
    UNION ALL
    SELECT b.asked, t.oid, t.typbasetype
    FROM base AS b
    JOIN pg_catalog.pg_type AS t ON t.oid = b.typbasetype
), element (asked, oid, typbasetype, delimiter) AS (
    SELECT b.asked, e.oid, e.typbasetype, e.typdelim
    FROM base AS b
    JOIN pg_catalog.pg_type AS t ON t.oid = b.oid
    JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem
    WHERE b.typbasetype = 0
      -- Not int2vector and the like, which have elements but another text.
      AND t.typoutput = 'pg_catalog.array_out'::regproc
    UNION ALL
    SELECT e.asked, t.oid, t.typbasetype, e.delimiter
    FROM element AS e
    JOIN pg_catalog.pg_type AS t ON t.oid = e.typbasetype
)
SELECT b.asked AS asked,
       b.oid AS base,
       e.oid AS element,
       e.delimiter::text AS delimiter,
       EXISTS (
           SELECT FROM pg_catalog.pg_type AS t WHERE t.oid = b.oid AND t.typname = 'citext'
       ) AS folded
FROM base AS b
LEFT JOIN element AS e ON e.asked = b.asked AND e.typbasetype = 0
WHERE b.typbasetype = 0
