-- The standbys of a primary: their physical slots, whether they send hot_standby_feedback, and the number
-- of sessions that synchronise failover slots (17+), if our role may see other roles' sessions. All
-- versions.
SELECT s.slot_name::text AS name,
       s.active AS active,
       s.xmin IS NOT NULL OR s.catalog_xmin IS NOT NULL AS feedback,
       CASE WHEN pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') THEN
           (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity AS a
            WHERE a.application_name LIKE '%slotsync worker')
       END AS sync_sessions
FROM pg_catalog.pg_replication_slots AS s
WHERE s.slot_type = 'physical' AND NOT s.temporary
ORDER BY s.slot_name
