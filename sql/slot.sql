-- The replication slot $1. Columns of later versions (two_phase 14, conflicting 16, invalidation_reason
-- and failover 17) are read from the row as JSON. What the walsender waits for is hidden from roles that may
-- not see its session. All versions.
SELECT s.plugin::text AS plugin,
       s.slot_type = 'physical' AS physical,
       s.database::text AS database,
       s.database = pg_catalog.current_database() AS here,
       s.temporary AS temporary,
       s.active_pid AS active_pid,
       s.confirmed_flush_lsn AS confirmed,
       s.restart_lsn AS restart,
       s.wal_status AS wal_status,
       s.safe_wal_size AS safe_wal_size,
       j.row ->> 'invalidation_reason' AS invalidation_reason,
       coalesce((j.row ->> 'conflicting')::bool, false) AS conflicting,
       coalesce((j.row ->> 'two_phase')::bool, false) AS two_phase,
       coalesce((j.row ->> 'failover')::bool, false) AS failover,
       a.wait_event_type || '/' || a.wait_event AS waits_for,
       pg_catalog.pg_wal_lsn_diff(w.lsn, s.restart_lsn)::int8 AS retained_bytes,
       pg_catalog.pg_wal_lsn_diff(w.lsn, s.confirmed_flush_lsn)::int8 AS lag_bytes
FROM pg_catalog.pg_replication_slots AS s
CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(s)) AS j (row)
CROSS JOIN LATERAL (
    SELECT CASE
               WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
               ELSE pg_catalog.pg_current_wal_lsn()
           END
) AS w (lsn)
-- No session has the process id 0; without one, all would be read.
LEFT JOIN LATERAL pg_catalog.pg_stat_get_activity(coalesce(s.active_pid, 0)) AS a ON true
WHERE s.slot_name = $1::text
