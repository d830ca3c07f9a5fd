-- The server's version and state, and our role's privileges. All versions.
SELECT pg_catalog.current_setting('server_version_num')::int4 AS version,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       pg_catalog.current_database()::text AS database,
       r.rolname::text AS role,
       -- Amazon RDS grants replication by membership in a role, not by the role attribute.
       r.rolsuper OR r.rolreplication OR EXISTS (
           SELECT FROM pg_catalog.pg_roles AS g
           WHERE g.rolname = 'rds_replication' AND pg_catalog.pg_has_role(r.oid, g.oid, 'MEMBER')
       ) AS may_replicate,
       pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS may_create,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_replication_slots) AS slots,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication) AS senders
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = current_user
