-- What publication $1 holds of table $2, and how many other tables. The view has what FOR ALL
-- TABLES and (15+) FOR TABLES IN SCHEMA bring. All versions.
WITH tree AS (
    SELECT $2::oid AS relid
    UNION
    SELECT t.relid FROM pg_catalog.pg_partition_tree($2::oid::regclass) AS t
)
SELECT coalesce(pg_catalog.bool_or(c.oid = $2::oid), false) AS holds,
       coalesce(pg_catalog.bool_or(c.oid <> $2::oid AND c.oid IN (SELECT relid FROM tree)), false) AS holds_parts,
       pg_catalog.count(*) FILTER (WHERE c.oid NOT IN (SELECT relid FROM tree)) AS others
FROM pg_catalog.pg_publication_tables AS p
JOIN pg_catalog.pg_namespace AS n ON n.nspname = p.schemaname
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = p.tablename
WHERE p.pubname = $1::text
