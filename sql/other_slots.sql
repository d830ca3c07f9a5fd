-- Inactive slots other than $1 that retain more than $2 bytes of WAL. All versions.
SELECT s.slot_name::text AS name,
       pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), s.restart_lsn)::int8 AS retained_bytes
FROM pg_catalog.pg_replication_slots AS s
WHERE s.slot_name <> $1::text
  AND NOT s.active
  AND NOT pg_catalog.pg_is_in_recovery()
  AND pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), s.restart_lsn) > $2::int8
ORDER BY 2 DESC
LIMIT 10
