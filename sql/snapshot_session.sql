-- For this transaction: no timeouts (transaction_timeout exists from 17 on), row security raises an error
-- instead of filtering rows, and cursors are planned for reading all rows.
SELECT pg_catalog.set_config(s.name, '0', true)
FROM pg_catalog.pg_settings AS s
WHERE s.name IN (
    'idle_in_transaction_session_timeout', 'lock_timeout', 'statement_timeout', 'transaction_timeout'
);
SET LOCAL row_security = off;
SET LOCAL cursor_tuple_fraction = 1;
