-- When the snapshot was taken, in microseconds since 1970, and what texts lie in.
SELECT (pg_catalog.date_part('epoch', pg_catalog.transaction_timestamp()) * 1000000)::int8 AS taken_at,
       pg_catalog.getdatabaseencoding()::text AS encoding
