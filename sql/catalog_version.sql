-- A hash that changes whenever the definition of the table $1.$2, of one of its partitions, or of the
-- publication $3 changes. Takes no locks. NULL if the table does not exist. All versions.
WITH RECURSIVE tree (relid, relkind, row) AS (
    SELECT c.oid, c.relkind, c.xmin
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = $1::text AND c.relname = $2::text
    UNION ALL
    SELECT c.oid, c.relkind, c.xmin
    FROM tree AS t
    JOIN pg_catalog.pg_inherits AS i ON i.inhparent = t.relid
    JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
    WHERE t.relkind = 'p'
), item AS (
    SELECT 'class ' || t.relid || ' ' || t.row AS version FROM tree AS t
    UNION ALL
    SELECT 'column ' || a.attrelid || ' ' || a.attnum || ' ' || a.xmin
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid IN (SELECT t.relid FROM tree AS t)
    UNION ALL
    SELECT 'index ' || i.indexrelid || ' ' || i.xmin
    FROM pg_catalog.pg_index AS i
    WHERE i.indrelid IN (SELECT t.relid FROM tree AS t)
    UNION ALL
    SELECT 'publication ' || p.oid || ' ' || p.xmin FROM pg_catalog.pg_publication AS p WHERE p.pubname = $3::text
    UNION ALL
    SELECT 'named ' || d.classid || ' ' || d.objid
    FROM pg_catalog.pg_publication AS p
    JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_publication'::regclass AND d.refobjid = p.oid
    WHERE p.pubname = $3::text
)
SELECT pg_catalog.md5(pg_catalog.string_agg(i.version, ',' ORDER BY i.version)) AS version
FROM item AS i
WHERE EXISTS (SELECT FROM tree AS t)
