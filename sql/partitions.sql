-- The leaf partitions of table $1, each with the columns of its own replica identity: a changed row is
-- logged by the identity of its partition, not of the root. Read from pg_inherits, which locks none of
-- them. Partitions that are being detached (14+) are left out. All versions.
WITH RECURSIVE tree (relid, relkind) AS (
    SELECT c.oid, c.relkind
    FROM pg_catalog.pg_class AS c
    WHERE c.oid = $1::oid
    UNION ALL
    SELECT c.oid, c.relkind
    FROM tree AS t
    JOIN pg_catalog.pg_inherits AS i ON i.inhparent = t.relid
    JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
    WHERE t.relkind = 'p' AND NOT coalesce((pg_catalog.to_jsonb(i) ->> 'inhdetachpending')::bool, false)
)
SELECT n.nspname::text AS schema,
       c.relname::text AS name,
       c.relkind::text AS kind,
       c.relpersistence::text AS persistence,
       c.relreplident::text AS replica_identity,
       ARRAY(
           SELECT a.attname::text
           FROM pg_catalog.pg_index AS i
           CROSS JOIN LATERAL pg_catalog.generate_series(0, i.indnkeyatts - 1) AS k (n)
           JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.n]
           WHERE i.indrelid = c.oid AND i.indimmediate AND i.indisvalid
             AND CASE c.relreplident
                     WHEN 'd' THEN i.indisprimary
                     WHEN 'i' THEN i.indisreplident
                     ELSE false
                 END
           ORDER BY k.n
       ) AS carried
FROM tree AS t
JOIN pg_catalog.pg_class AS c ON c.oid = t.relid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind <> 'p' AND c.oid <> $1::oid
ORDER BY n.nspname, c.relname
