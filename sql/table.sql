-- The relation $1.$2, of any kind. Rows and bytes are those of the last VACUUM or ANALYZE, and partitions
-- are read from pg_inherits: size functions would lock each partition. All versions.
SELECT c.oid AS oid,
       c.relkind::text AS kind,
       c.relpersistence::text AS persistence,
       c.relreplident::text AS replica_identity,
       pg_catalog.pg_get_userbyid(c.relowner)::text AS owner,
       pg_catalog.pg_has_role(c.relowner, 'USAGE') AS owned,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS schema_usable,
       pg_catalog.row_security_active(c.oid) AS row_security,
       c.relkind = 'r' AND EXISTS (
           SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = c.oid
       ) AS has_children,
       -- Partitions hold the rows of a partitioned table. reltuples is -1 before the first ANALYZE.
       size.rows AS rows,
       size.bytes AS bytes
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    WITH RECURSIVE tree (relid, relkind) AS (
        SELECT c.oid, c.relkind
        UNION ALL
        SELECT p.oid, p.relkind
        FROM tree AS t
        JOIN pg_catalog.pg_inherits AS i ON i.inhparent = t.relid
        JOIN pg_catalog.pg_class AS p ON p.oid = i.inhrelid
        WHERE t.relkind = 'p'
    )
    SELECT pg_catalog.sum(greatest(l.reltuples, 0))::float8 AS rows,
           (pg_catalog.sum(l.relpages::int8 + coalesce(o.relpages, 0))
            * pg_catalog.current_setting('block_size')::int8)::int8 AS bytes
    FROM tree AS t
    JOIN pg_catalog.pg_class AS l ON l.oid = t.relid
    LEFT JOIN pg_catalog.pg_class AS o ON o.oid = l.reltoastrelid
    WHERE l.oid = c.oid OR l.relkind <> 'p'
) AS size
WHERE n.nspname = $1::text AND c.relname = $2::text
