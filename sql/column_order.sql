-- The column names of table $1 in order, and the transactions that dropped columns of it. All versions.
SELECT coalesce(pg_catalog.array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE NOT a.attisdropped), '{}') AS names,
       coalesce(pg_catalog.array_agg(a.xmin::text::int8) FILTER (WHERE a.attisdropped), '{}') AS dropped_by
FROM pg_catalog.pg_attribute AS a
WHERE a.attrelid = $1::oid AND a.attnum > 0
