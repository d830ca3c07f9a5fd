-- The types of the columns of table $1, with domains resolved to their base types. All versions.
WITH RECURSIVE base (attnum, oid, typbasetype) AS (
    SELECT a.attnum, t.oid, t.typbasetype
    FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
    WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT b.attnum, t.oid, t.typbasetype
    FROM base AS b
    JOIN pg_catalog.pg_type AS t ON t.oid = b.typbasetype
)
SELECT a.attname::text AS name,
       t.oid AS base,
       -- -1: without a modifier, which the bare names of bit and character imply as 1.
       pg_catalog.format_type(t.oid, -1) AS base_name,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS whole_name,
       -- Not types such as int2vector or point, which have elements but another text form.
       CASE WHEN t.typoutput = 'pg_catalog.array_out'::regproc THEN 'a' ELSE t.typtype::text END AS kind,
       coalesce(c.collisdeterministic, true) AS deterministic,
       -- now(), transaction_timestamp(), statement_timestamp(), clock_timestamp(), timeofday(),
       -- CURRENT_TIMESTAMP and the like, by OID: pg_get_expr() would lock the table.
       coalesce(
           d.adbin::text ~ ':funcid (1299|2647|2648|2649|274) |SQLVALUEFUNCTION :op [0-9]+ :type (1082|1083|1114|1184|1266) ',
           false
       ) AS from_clock,
       ARRAY(
           SELECT e.enumlabel::text FROM pg_catalog.pg_enum AS e
           WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder
       ) AS labels
FROM base AS b
JOIN pg_catalog.pg_type AS t ON t.oid = b.oid
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = $1::oid AND a.attnum = b.attnum
LEFT JOIN pg_catalog.pg_collation AS c ON c.oid = a.attcollation
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.attgenerated = ''
WHERE b.typbasetype = 0
ORDER BY a.attnum
