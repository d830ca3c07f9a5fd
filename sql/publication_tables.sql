-- Whether the publication $1 (an OID) publishes table $2 or partitions of it, and how many other tables.
-- pg_publication_tables shows the same but locks every table. The tables and schemas (15+) that the
-- publication names are read from pg_depend. All versions.
WITH RECURSIVE publication AS (
    SELECT p.oid, p.puballtables, p.pubviaroot
    FROM pg_catalog.pg_publication AS p
    WHERE p.oid = $1::oid
), named (catalog, oid) AS (
    SELECT on_it.refclassid, on_it.refobjid
    FROM pg_catalog.pg_depend AS of_it
    JOIN pg_catalog.pg_depend AS on_it ON on_it.classid = of_it.classid AND on_it.objid = of_it.objid
    WHERE of_it.refclassid = 'pg_catalog.pg_publication'::regclass AND of_it.refobjid = $1::oid
), member AS MATERIALIZED (
    SELECT c.oid AS relid, c.relkind
    FROM pg_catalog.pg_class AS c
    CROSS JOIN publication AS p
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND c.oid >= 16384
      AND (
          p.puballtables
          OR c.oid IN (SELECT n.oid FROM named AS n WHERE n.catalog = 'pg_catalog.pg_class'::regclass)
          OR c.relnamespace IN (SELECT n.oid FROM named AS n WHERE n.catalog = 'pg_catalog.pg_namespace'::regclass)
      )
), below (relid, relkind) AS (
    SELECT c.oid, c.relkind
    FROM member AS m
    JOIN pg_catalog.pg_inherits AS i ON i.inhparent = m.relid
    JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
    WHERE m.relkind = 'p'
    UNION
    SELECT c.oid, c.relkind
    FROM below AS b
    JOIN pg_catalog.pg_inherits AS i ON i.inhparent = b.relid
    JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
    WHERE b.relkind = 'p'
), published (relid) AS (
    -- Under the root's name with publish_via_partition_root, otherwise each leaf under its own.
    SELECT m.relid
    FROM member AS m
    CROSS JOIN publication AS p
    WHERE p.pubviaroot AND m.relid NOT IN (SELECT b.relid FROM below AS b)
    UNION
    SELECT a.relid
    FROM (SELECT m.relid, m.relkind FROM member AS m UNION SELECT b.relid, b.relkind FROM below AS b) AS a
    CROSS JOIN publication AS p
    WHERE NOT p.pubviaroot AND a.relkind <> 'p'
), tree (relid) AS (
    SELECT $2::oid
    UNION
    SELECT i.inhrelid
    FROM tree AS t
    JOIN pg_catalog.pg_class AS c ON c.oid = t.relid AND c.relkind = 'p'
    JOIN pg_catalog.pg_inherits AS i ON i.inhparent = t.relid
)
SELECT coalesce(pg_catalog.bool_or(p.relid = $2::oid), false) AS publishes_table,
       coalesce(pg_catalog.bool_or(p.relid <> $2::oid AND p.relid IN (SELECT t.relid FROM tree AS t)), false) AS publishes_parts,
       pg_catalog.count(*) FILTER (WHERE p.relid NOT IN (SELECT t.relid FROM tree AS t)) AS others
FROM published AS p
