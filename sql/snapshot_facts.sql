-- The time of the snapshot, in microseconds since 1970, and the database's encoding. All versions.
SELECT (pg_catalog.date_part('epoch', pg_catalog.transaction_timestamp()) * 1000000)::int8 AS taken_at,
       pg_catalog.getdatabaseencoding()::text AS encoding
