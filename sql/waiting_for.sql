-- The transactions that session $1 waits for while it creates a slot: the one it waits for now, and the
-- others that were open before it began to wait. Prepared transactions hold locks without a session, and
-- have a gid. pg_locks is visible to every role; details of other roles' sessions are NULL without
-- pg_read_all_stats. All versions.
SELECT DISTINCT
       l.pid AS pid,
       p.gid AS gid,
       coalesce(a.usename, p.owner)::text AS role,
       coalesce(a.datname, p.database)::text AS database,
       nullif(a.application_name, '') AS application,
       pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - coalesce(a.xact_start, p.prepared))::float8 AS open_seconds
FROM pg_catalog.pg_locks AS l
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
LEFT JOIN pg_catalog.pg_prepared_xacts AS p ON l.pid IS NULL AND p.transaction = l.transactionid
WHERE l.locktype = 'transactionid'
  AND l.granted
  AND l.pid IS DISTINCT FROM $1::int4
  AND (l.pid IS NOT NULL OR p.gid IS NOT NULL)
  AND (
      l.transactionid::text IN (
          SELECT w.transactionid::text
          FROM pg_catalog.pg_locks AS w
          WHERE w.pid = $1::int4 AND w.locktype = 'transactionid' AND NOT w.granted
      )
      OR coalesce(a.xact_start, p.prepared) < (
          SELECT s.query_start FROM pg_catalog.pg_stat_activity AS s WHERE s.pid = $1::int4
      )
  )
ORDER BY 6 DESC NULLS LAST
