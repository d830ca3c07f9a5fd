-- When the snapshot was taken, in microseconds since 1970, and whether texts are UTF-8 as they lie.
SELECT (pg_catalog.date_part('epoch', pg_catalog.transaction_timestamp()) * 1000000)::int8 AS taken_at,
       pg_catalog.getdatabaseencoding() = 'UTF8' AS server_is_utf8
