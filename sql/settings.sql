-- The server's settings named in $1: the value in the base unit, and with its unit for messages.
-- No row for a setting that this version does not have. All versions.
SELECT s.name::text AS name,
       s.setting AS figure,
       pg_catalog.current_setting(s.name) AS shown
FROM pg_catalog.pg_settings AS s
WHERE s.name = ANY ($1::text[])
