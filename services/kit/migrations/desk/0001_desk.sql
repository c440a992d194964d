-- One document a student: the department's own record, the number of its last status and that status.
-- This row is the lock of everything the department does to the student.
CREATE TABLE record (
    student_id     text        PRIMARY KEY,
    body           jsonb       NOT NULL,
    case_state     text        CHECK (case_state IN ('open', 'not-served', 'closed', 'completed')),
    case_version   int         NOT NULL DEFAULT 0,
    status_version int         NOT NULL DEFAULT 0,
    status         text,
    updated_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((status_version = 0) = (status IS NULL))
) WITH (fillfactor = 70);

-- What a request was answered with, so that asking again with the same key answers the same and does nothing.
CREATE TABLE desk_request (
    principal   text        NOT NULL,
    request_key text        NOT NULL,
    fingerprint bytea       NOT NULL,
    answer      jsonb       NOT NULL,
    answered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (principal, request_key)
);
CREATE INDEX desk_request_age ON desk_request (answered_at);

-- A hold belongs to one attempt and ends with it. While one stands, no change may take the student's pass away.
CREATE TABLE hold (
    attempt_id uuid        PRIMARY KEY,
    student_id text        NOT NULL REFERENCES record,
    version    int         NOT NULL,
    placed_at  timestamptz NOT NULL
);
CREATE INDEX hold_of_student ON hold (student_id);
