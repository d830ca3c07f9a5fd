-- The text forms of the types $1, with domains resolved to their base types. All versions.
WITH RECURSIVE base (requested, oid, typbasetype) AS (
    SELECT t.oid, t.oid, t.typbasetype
    FROM pg_catalog.pg_type AS t
    WHERE t.oid = ANY ($1::oid[])
    UNION ALL
    SELECT b.requested, t.oid, t.typbasetype
    FROM base AS b
    JOIN pg_catalog.pg_type AS t ON t.oid = b.typbasetype
), element (requested, oid, typbasetype, delimiter) AS (
    SELECT b.requested, e.oid, e.typbasetype, e.typdelim
    FROM base AS b
    JOIN pg_catalog.pg_type AS t ON t.oid = b.oid
    JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem
    WHERE b.typbasetype = 0
      -- Not types such as int2vector or point, which have elements but another text form.
      AND t.typoutput = 'pg_catalog.array_out'::regproc
    UNION ALL
    SELECT e.requested, t.oid, t.typbasetype, e.delimiter
    FROM element AS e
    JOIN pg_catalog.pg_type AS t ON t.oid = e.typbasetype
)
SELECT b.requested AS requested,
       b.oid AS base,
       e.oid AS element,
       e.delimiter::text AS delimiter,
       EXISTS (
           SELECT FROM pg_catalog.pg_type AS t WHERE t.oid = b.oid AND t.typname = 'citext'
       ) AS folded
FROM base AS b
LEFT JOIN element AS e ON e.requested = b.requested AND e.typbasetype = 0
WHERE b.typbasetype = 0
