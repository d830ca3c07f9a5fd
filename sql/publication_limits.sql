-- Whether publication $1 (its oid) names table $2, and withholds columns or rows of it. Column lists
-- and row filters came with 15, so they are read by way of the row's JSON.
SELECT pg_catalog.to_jsonb(r) ->> 'prattrs' IS NOT NULL AS withholds_columns,
       pg_catalog.to_jsonb(r) ->> 'prqual' IS NOT NULL AS withholds_rows
FROM pg_catalog.pg_publication_rel AS r
WHERE r.prpubid = $1::oid AND r.prrelid = $2::oid
