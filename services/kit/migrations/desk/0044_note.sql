-- What members of the office wrote for each other about a student: shown at the desk alone, and published nowhere.
CREATE TABLE note (
    note_id    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    student_id text        NOT NULL,
    text       text        NOT NULL,
    written_by text        NOT NULL,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX note_of_student ON note (student_id, note_id);
CREATE INDEX note_age ON note (written_at);
