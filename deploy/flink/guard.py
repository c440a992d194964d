"""What the job writes to: a view of PostgreSQL whose trigger does the projector's merge, which Flink's sink cannot.

`python -m deploy.flink.guard` writes `guard.sql` again.
"""

from pathlib import Path
from typing import Final

from schemas.codec import TOMBSTONE_HEADERS
from schemas.events import TYPE_OF, StatusChanged
from schemas.types import STUDENT_ID_PATTERN
from services.clearance.view.view_store import MERGE_STATUS
from services.kit.names import VIEW_CHANNEL

FILE: Final = Path(__file__).with_name("guard.sql")
_GUARD: Final = """\
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
    IF student IS NULL OR student !~ {student_id} THEN
        RETURN NEW;  -- nobody's
    END IF;
    IF NEW.value IS NULL AND NEW.type = {tombstone} THEN
        DELETE FROM status WHERE (student_id, department) = (student, said_by)
            AND greatest(source_offset, unreadable_offset, older_offset) < NEW.source_offset;
        RETURN NEW;
    END IF;
    BEGIN
        event := convert_from(NEW.value, 'UTF8')::json;
        body := event -> 'data';
        IF event ->> 'type' IS DISTINCT FROM {status_changed} OR body ->> 'student_id' IS DISTINCT FROM student
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
    {merge};
    PERFORM pg_notify({channel}, '');
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER merge_status INSTEAD OF INSERT ON flink.status_record
    FOR EACH ROW EXECUTE FUNCTION flink.merge_status();
"""


def guard() -> str:
    """The statements, for the owner of the clearance's database."""
    return _GUARD.format(
        student_id=_quoted(STUDENT_ID_PATTERN.replace("a-z", "")),
        tombstone=_quoted(TOMBSTONE_HEADERS[1][1].decode()),
        status_changed=_quoted(TYPE_OF[StatusChanged]),
        merge=MERGE_STATUS.strip(),
        channel=_quoted(VIEW_CHANNEL),
    )


def _quoted(text: str) -> str:
    return f"'{text}'"


if __name__ == "__main__":
    FILE.write_text(guard(), encoding="utf-8")
