-- What an operation changed of the record, so that the office can take it back while that part is as it left it.
-- `checks` are those it was evidence for, `gained` those of which there was no word before it. `names` of a list's line.
CREATE TABLE done_operation (
    entry_id      bigint      PRIMARY KEY,
    student_id    text        NOT NULL REFERENCES record,
    operation     text        NOT NULL,
    names         jsonb       NOT NULL,
    part_before   jsonb       NOT NULL,
    part_after    jsonb       NOT NULL,
    checks        text[]      NOT NULL,
    gained        text[]      NOT NULL,
    settled       boolean     NOT NULL,
    done_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    undo_entry_id bigint      UNIQUE,
    undo_reason   text,
    CHECK ((undo_entry_id IS NULL) = (undo_reason IS NULL))
);
CREATE INDEX done_operation_of_student ON done_operation (student_id, entry_id);
CREATE INDEX done_operation_age ON done_operation (done_at);
