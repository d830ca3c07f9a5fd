-- The publication $1. `pubgencols` exists from 18 on, so it is read from the row as JSON. All versions.
SELECT p.oid AS oid,
       p.puballtables AS all_tables,
       p.pubinsert AS inserts,
       p.pubupdate AS updates,
       p.pubdelete AS deletes,
       p.pubtruncate AS truncates,
       p.pubviaroot AS via_root,
       coalesce(pg_catalog.to_jsonb(p) ->> 'pubgencols', 'n') = 's' AS generated,
       pg_catalog.pg_get_userbyid(p.pubowner)::text AS owner,
       pg_catalog.pg_has_role(p.pubowner, 'USAGE') AS owned
FROM pg_catalog.pg_publication AS p
WHERE p.pubname = $1::text
