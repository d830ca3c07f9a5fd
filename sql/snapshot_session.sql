-- For the length of the transaction: none of the server's timeouts (transaction_timeout came with 17);
-- row security is an error and not a filter; the whole table is wanted, not its first rows soon.
SELECT pg_catalog.set_config(s.name, '0', true)
FROM pg_catalog.pg_settings AS s
WHERE s.name IN (
    'idle_in_transaction_session_timeout', 'lock_timeout', 'statement_timeout', 'transaction_timeout'
);
SET LOCAL row_security = off;
SET LOCAL cursor_tuple_fraction = 1;
