-- Who did what, when, with which outcome, on which versions. Rows are added and never touched again.
-- Provisioning may have made all this before, owned by a role the service is not: then the service may only add.
DO $migration$
BEGIN
    IF to_regclass('audit.entry') IS NOT NULL THEN
        RETURN;
    END IF;

    CREATE SCHEMA audit;

    CREATE TABLE audit.entry (
        entry_id   bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at         timestamptz NOT NULL DEFAULT clock_timestamp(),
        actor      text        NOT NULL,
        act        text        NOT NULL,
        outcome    text        NOT NULL,
        student_id text,
        -- JSON as it was written: the seal is over its bytes, and jsonb keeps none.
        details    text        NOT NULL
    );
    CREATE INDEX entry_of_student ON audit.entry (student_id, entry_id);

    -- What still waits for its seal. Written with the entry, so that no writer waits for the chain.
    CREATE TABLE audit.unsealed (
        entry_id bigint PRIMARY KEY
    );

    -- The chain: each hash is over the one before and one entry.
    CREATE TABLE audit.seal (
        seq       bigint      PRIMARY KEY CHECK (seq > 0),
        entry_id  bigint      NOT NULL UNIQUE,
        hash      bytea       NOT NULL CHECK (length(hash) = 32),
        sealed_at timestamptz NOT NULL DEFAULT clock_timestamp()
    );

    CREATE FUNCTION audit.refuse() RETURNS trigger LANGUAGE plpgsql AS $function$
    BEGIN
        RAISE EXCEPTION 'the audit is only ever added to' USING ERRCODE = 'insufficient_privilege';
    END
    $function$;

    CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.entry
        FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse();
    CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.seal
        FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse();
END
$migration$;
