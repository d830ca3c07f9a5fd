-- The server's settings named in $1: the bare figure, and the same with its unit, for people.
-- A setting that this version does not have is not among the rows.
SELECT s.name::text AS name,
       s.setting AS figure,
       pg_catalog.current_setting(s.name) AS shown
FROM pg_catalog.pg_settings AS s
WHERE s.name = ANY ($1::text[])
