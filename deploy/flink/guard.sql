-- Made by `python -m deploy.flink.guard` from the projector's own statement (services/clearance/view/view_store.py).
-- The table `status` is looked up by `search_path`: the view itself, or another one beside it.
CREATE SCHEMA IF NOT EXISTS flink;

CREATE OR REPLACE VIEW flink.status_record AS
SELECT ''::text AS topic, 0::int AS source_partition, 0::bigint AS source_offset, ''::bytea AS key, ''::bytea AS value,
       ''::text AS type
WHERE false;

-- One record of a status topic. Sequence and repetition do not matter: the newest version stays.
CREATE OR REPLACE FUNCTION flink.merge_status() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    said_by text := split_part(NEW.topic, '.', -3);
    student text;
    event json;
    body json;
BEGIN
    BEGIN
        student := convert_from(NEW.key, 'UTF8');
    EXCEPTION WHEN data_exception THEN
        student := NULL;
    END;
    IF student IS NULL OR student !~ '^[A-Z0-9][A-Z0-9-]{2,31}$' THEN
        RETURN NEW;  -- nobody's
    END IF;
    IF NEW.value IS NULL AND NEW.type = 'lixiao.student-forgotten.v1' THEN
        DELETE FROM status WHERE (student_id, department) = (student, said_by)
            AND greatest(source_offset, unreadable_offset, older_offset) < NEW.source_offset;
        RETURN NEW;
    END IF;
    BEGIN
        event := convert_from(NEW.value, 'UTF8')::json;
        body := event -> 'data';
        IF event ->> 'type' IS DISTINCT FROM 'lixiao.status-changed.v1' OR body ->> 'student_id' IS DISTINCT FROM student
            OR body ->> 'department' IS DISTINCT FROM said_by OR coalesce((body ->> 'version')::int < 1, true)
            OR (body ->> 'occurred_at')::timestamptz IS NULL OR json_typeof(body -> 'checks') IS DISTINCT FROM 'array'
        THEN
            RAISE data_exception;
        END IF;
    EXCEPTION WHEN data_exception THEN
        -- Nobody knows what it says: it hides the student's line, as an unreadable record does for the projector.
        INSERT INTO status AS stored (student_id, department, version, heard_at, source_partition, source_offset,
                                      unreadable_offset)
        VALUES (student, said_by, 0, now(), NEW.source_partition, -1, NEW.source_offset)
        ON CONFLICT (student_id, department) DO UPDATE SET unreadable_offset = excluded.unreadable_offset
        WHERE stored.unreadable_offset IS NULL OR excluded.unreadable_offset > stored.unreadable_offset;
        RETURN NEW;
    END;
    INSERT INTO status AS stored (student_id, department, version, occurred_at, heard_at, source_partition,
                                  source_offset, disputed, status, open_codes, open_since)
    SELECT student, said_by, (body ->> 'version')::int, (body ->> 'occurred_at')::timestamptz, now(),
           NEW.source_partition, NEW.source_offset, false, body::text, codes,
           CASE WHEN codes IS NOT NULL THEN (body ->> 'occurred_at')::timestamptz END
    FROM (SELECT string_agg(concat(checks.value ->> 'check', ':', reasons.value ->> 'code'), ' '
                            ORDER BY checks.at, reasons.at) AS codes
          FROM json_array_elements(body -> 'checks') WITH ORDINALITY AS checks (value, at)
               LEFT JOIN LATERAL json_array_elements(checks.value -> 'reasons') WITH ORDINALITY AS reasons (value, at)
                   ON true
          WHERE checks.value ->> 'verdict' <> 'clear') AS open
    ON CONFLICT (student_id, department) DO UPDATE SET
        version = greatest(excluded.version, stored.version),
        occurred_at = CASE WHEN excluded.version < stored.version THEN stored.occurred_at ELSE excluded.occurred_at END,
        heard_at = CASE WHEN excluded.version > stored.version THEN excluded.heard_at ELSE stored.heard_at END,
        source_partition = CASE WHEN excluded.version < stored.version
                           THEN stored.source_partition ELSE excluded.source_partition END,
        source_offset = CASE WHEN excluded.version < stored.version THEN stored.source_offset
            WHEN excluded.version = stored.version THEN greatest(excluded.source_offset, stored.source_offset)
            ELSE excluded.source_offset END,
        disputed = CASE WHEN excluded.version < stored.version THEN stored.disputed ELSE excluded.disputed
            OR excluded.version = stored.version AND (stored.disputed OR excluded.status <> stored.status) END,
        status = CASE WHEN excluded.version > stored.version
            OR excluded.version = stored.version AND excluded.source_offset > stored.source_offset THEN excluded.status ELSE stored.status END,
        older_offset = CASE WHEN greatest(excluded.source_offset, excluded.older_offset, stored.source_offset, stored.older_offset) > CASE WHEN excluded.version < stored.version THEN stored.source_offset
            WHEN excluded.version = stored.version THEN greatest(excluded.source_offset, stored.source_offset)
            ELSE excluded.source_offset END THEN greatest(excluded.source_offset, excluded.older_offset, stored.source_offset, stored.older_offset) END,
        older_since = CASE WHEN greatest(excluded.source_offset, excluded.older_offset, stored.source_offset, stored.older_offset) > CASE WHEN excluded.version < stored.version THEN stored.source_offset
            WHEN excluded.version = stored.version THEN greatest(excluded.source_offset, stored.source_offset)
            ELSE excluded.source_offset END THEN coalesce(stored.older_since, now()) END,
        open_codes = CASE WHEN excluded.version > stored.version
            OR excluded.version = stored.version AND excluded.source_offset > stored.source_offset THEN excluded.open_codes ELSE stored.open_codes END,
        open_since = CASE WHEN NOT (excluded.version > stored.version
            OR excluded.version = stored.version AND excluded.source_offset > stored.source_offset) THEN stored.open_since
                     WHEN excluded.open_codes IS NOT NULL THEN coalesce(stored.open_since, excluded.open_since) END,
        first_offset = CASE WHEN excluded.version > stored.version THEN excluded.first_offset
                       WHEN excluded.version < stored.version THEN stored.first_offset
                       ELSE nullif(least(excluded.source_offset, excluded.first_offset, stored.source_offset, stored.first_offset), CASE WHEN excluded.version < stored.version THEN stored.source_offset
            WHEN excluded.version = stored.version THEN greatest(excluded.source_offset, stored.source_offset)
            ELSE excluded.source_offset END) END
    WHERE excluded.version > stored.version
       OR greatest(excluded.source_offset, excluded.older_offset) > greatest(stored.source_offset, stored.older_offset)
       OR excluded.version = stored.version
          AND (excluded.source_offset > stored.source_offset
               OR least(excluded.source_offset, excluded.first_offset, stored.source_offset, stored.first_offset) < coalesce(stored.first_offset, stored.source_offset)
               OR NOT stored.disputed AND (excluded.disputed OR excluded.status <> stored.status));
    PERFORM pg_notify('lixiao_view', '');
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER merge_status INSTEAD OF INSERT ON flink.status_record
    FOR EACH ROW EXECUTE FUNCTION flink.merge_status();
