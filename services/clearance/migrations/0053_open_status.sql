-- The work lists' own table. The view's rows carry a document of half a kilobyte: whoever looked through those of a
-- department for a reason or a college read all of it.
CREATE TABLE open_status (
    department text NOT NULL,
    student_id text NOT NULL,
    open_since timestamptz NOT NULL,
    open_codes text NOT NULL,
    PRIMARY KEY (department, student_id)
) WITH (fillfactor = 70);
-- Codes are in no index: they change more often than a row is opened, and such an update stays heap-only.
CREATE INDEX open_status_since ON open_status (department, open_since, student_id);

-- By triggers, because not only the projector writes to the view. A row of the view is locked before its copy here, so
-- that the order of the view's locks is enough.
CREATE FUNCTION open_status_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO open_status AS listed (department, student_id, open_since, open_codes)
    SELECT department, student_id, open_since, open_codes FROM written WHERE open_since IS NOT NULL
    ON CONFLICT (department, student_id) DO UPDATE
    SET open_since = excluded.open_since, open_codes = excluded.open_codes
    WHERE (listed.open_since, listed.open_codes) IS DISTINCT FROM (excluded.open_since, excluded.open_codes);
    IF EXISTS (SELECT FROM written WHERE open_since IS NULL) THEN
        DELETE FROM open_status USING written
        WHERE (open_status.department, open_status.student_id) = (written.department, written.student_id)
          AND written.open_since IS NULL;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION open_status_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM open_status USING deleted
    WHERE (open_status.department, open_status.student_id) = (deleted.department, deleted.student_id);
    RETURN NULL;
END $$;

CREATE FUNCTION open_status_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM open_status;
    RETURN NULL;
END $$;

-- Of the table that is the view now: a rebuild puts another in its place.
CREATE FUNCTION follow_open_statuses() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    CREATE TRIGGER open_status_inserted AFTER INSERT ON status
        REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION open_status_written();
    CREATE TRIGGER open_status_updated AFTER UPDATE ON status
        REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION open_status_written();
    CREATE TRIGGER open_status_deleted AFTER DELETE ON status
        REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION open_status_deleted();
    CREATE TRIGGER open_status_truncated AFTER TRUNCATE ON status
        FOR EACH STATEMENT EXECUTE FUNCTION open_status_truncated();
    DELETE FROM open_status AS listed WHERE NOT EXISTS (
        SELECT FROM status
        WHERE (status.student_id, status.department) = (listed.student_id, listed.department)
          AND status.open_since IS NOT NULL
    );
    INSERT INTO open_status AS listed (department, student_id, open_since, open_codes)
    SELECT department, student_id, open_since, open_codes FROM status WHERE open_since IS NOT NULL
    ON CONFLICT (department, student_id) DO UPDATE
    SET open_since = excluded.open_since, open_codes = excluded.open_codes
    WHERE (listed.open_since, listed.open_codes) IS DISTINCT FROM (excluded.open_since, excluded.open_codes);
END $$;
SELECT follow_open_statuses();
DROP INDEX status_open, status_open_since;

-- `open_text`: the same codes with a space between two. Looking into it is a fraction of making the array.
CREATE OR REPLACE VIEW published.open_status_v1 AS
SELECT open_status.student_id, open_status.department, string_to_array(open_status.open_codes, ' ') AS open_codes,
       open_status.open_since, student_case.name, student_case.college, student_case.major, student_case.cohort,
       open_status.open_codes AS open_text
FROM open_status JOIN student_case USING (student_id)
WHERE student_case.state = 'open';

GRANT SELECT ON ALL TABLES IN SCHEMA published TO lixiao_reader;
