-- An application's database, and the role that the sidecar reads it with.

CREATE DATABASE app;
\connect app

CREATE TABLE documents (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key              text,
    project_id       text NOT NULL,
    title            text,
    body             text,
    labels           text[],
    predicted_labels jsonb,
    similarity       jsonb,
    deleted_at       timestamptz,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now()
);

-- The least that it needs: to replicate, and to read this one table.
CREATE ROLE sidecar LOGIN REPLICATION PASSWORD 'sidecar';
GRANT USAGE ON SCHEMA public TO sidecar;
GRANT SELECT ON documents TO sidecar;

-- The publication is the table's owner's to make. The slot the sidecar makes itself.
CREATE PUBLICATION sidecar FOR TABLE documents WITH (publish_via_partition_root = true);
