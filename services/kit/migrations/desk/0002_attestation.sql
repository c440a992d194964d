-- What an attempt was answered, so that the same question is answered the same, whatever changed since.
CREATE TABLE attestation (
    attempt_id uuid        PRIMARY KEY,
    student_id text        NOT NULL REFERENCES record,
    outcome    text        NOT NULL CHECK (outcome IN ('clear', 'objected')),
    answer     text        NOT NULL,
    given_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- How an attempt ended. A question that comes behind its attempt's end places no hold: nothing would release it.
CREATE TABLE attempt_end (
    attempt_id uuid        PRIMARY KEY,
    student_id text        NOT NULL,
    outcome    text        NOT NULL CHECK (outcome IN ('accepted', 'refused')),
    ended_at   timestamptz NOT NULL,
    heard_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What a student's command led to: one effect and one answer for an id.
CREATE TABLE command_done (
    command_id uuid        PRIMARY KEY,
    student_id text        NOT NULL REFERENCES record,
    command    text        NOT NULL,
    outcome    text        NOT NULL CHECK (outcome IN ('done', 'refused')),
    answer     text        NOT NULL,
    done_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
