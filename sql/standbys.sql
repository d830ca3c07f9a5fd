-- What a primary can tell of its standbys: their slots, whether they say what they still need
-- (hot_standby_feedback), and the sessions in which they copy failover slots (17+), where our role may
-- see what sessions of other roles are. All versions.
SELECT s.slot_name::text AS name,
       s.active AS active,
       s.xmin IS NOT NULL OR s.catalog_xmin IS NOT NULL AS feedback,
       CASE WHEN pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') THEN
           (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity AS a
            WHERE a.application_name LIKE '%slotsync worker')
       END AS copying
FROM pg_catalog.pg_replication_slots AS s
WHERE s.slot_type = 'physical' AND NOT s.temporary
ORDER BY s.slot_name
