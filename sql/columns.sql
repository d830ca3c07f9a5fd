-- The columns of table $1 in order. All versions.
SELECT a.attname::text AS name,
       a.atttypid AS type_oid,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type_name,
       -- From 18 on a NOT NULL constraint may be NOT VALID: existing rows are not checked.
       a.attnotnull AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_constraint AS k
           WHERE k.conrelid = a.attrelid AND k.contype = 'n'
             AND a.attnum = ANY (k.conkey) AND NOT k.convalidated
       ) AS not_null,
       a.attgenerated::text AS generated,
       pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS readable
FROM pg_catalog.pg_attribute AS a
WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
