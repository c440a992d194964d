-- Requests to publish again what is published about students. A background task does them in the order of student
-- numbers; `done_to` is the last one done, so that another instance goes on there.
CREATE TABLE republication (
    republication_id bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    student_ids      text[]      NOT NULL DEFAULT '{}',
    partition        int,
    reason           text        NOT NULL,
    asked_by         text        NOT NULL,
    asked_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_to          text        NOT NULL DEFAULT '',
    considered       int         NOT NULL DEFAULT 0,
    published        int         NOT NULL DEFAULT 0,
    finished_at      timestamptz
);
CREATE INDEX republication_open ON republication (republication_id) WHERE finished_at IS NULL;
COMMENT ON COLUMN republication.student_ids IS 'None: every student.';
COMMENT ON COLUMN republication.partition IS 'Of the topic: only its students. NULL: of every partition.';
