-- The relation $1.$2, whatever its kind. All versions.
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
       -- Of a partitioned table the partitions hold the rows; -1 says "never counted".
       (SELECT pg_catalog.sum(greatest(l.reltuples, 0))
        FROM pg_catalog.pg_class AS l
        WHERE l.oid = c.oid
           OR l.oid IN (SELECT t.relid FROM pg_catalog.pg_partition_tree(c.oid) AS t WHERE t.isleaf)
       )::float8 AS rows,
       (SELECT pg_catalog.sum(pg_catalog.pg_table_size(l.oid))
        FROM pg_catalog.pg_class AS l
        WHERE l.oid = c.oid
           OR l.oid IN (SELECT t.relid FROM pg_catalog.pg_partition_tree(c.oid) AS t WHERE t.isleaf)
       )::int8 AS bytes
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = $1::text AND c.relname = $2::text
