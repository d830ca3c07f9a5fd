-- The database's encoding, and whether default_transaction_read_only is set for this role or database.
-- Read from the catalog, because our sessions override the setting. All versions.
SELECT pg_catalog.getdatabaseencoding()::text AS encoding,
       EXISTS (
           SELECT FROM pg_catalog.pg_db_role_setting AS s
           CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS c (setting)
           WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database AS d
                                       WHERE d.datname = pg_catalog.current_database()))
             AND s.setrole IN (0, (SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = session_user))
             AND lower(c.setting) ~ '^default_transaction_read_only=(on|t|tr|tru|true|y|ye|yes|1)$'
       ) AS read_only
