-- The unique indexes of table $1, with their key columns in order. All versions.
SELECT c.relname::text AS name,
       i.indisprimary AS primary,
       i.indisreplident AS replica_identity,
       i.indimmediate AS immediate,
       -- An index of a partitioned table is invalid while a partition lacks a matching index.
       i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AS whole,
       ARRAY(
           SELECT a.attname::text
           FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) AS k (n)
           JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.n]
           ORDER BY k.n
       ) AS columns
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = $1::oid AND i.indisunique
ORDER BY i.indnkeyatts, c.relname
