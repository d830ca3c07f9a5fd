-- Whether the publication $1 (an OID) has a column list or a row filter for table $2. No row if it does
-- not name the table. Both exist from 15 on, so they are read from the row as JSON. All versions.
SELECT pg_catalog.to_jsonb(r) ->> 'prattrs' IS NOT NULL AS has_column_list,
       pg_catalog.to_jsonb(r) ->> 'prqual' IS NOT NULL AS has_row_filter
FROM pg_catalog.pg_publication_rel AS r
WHERE r.prpubid = $1::oid AND r.prrelid = $2::oid
