-- Sessions live here, so that signing out ends them. Only the hash of the cookie is kept: a copy of this table signs
-- nobody in.
CREATE TABLE session (
    id_hash          bytea       PRIMARY KEY CHECK (length(id_hash) = 32),
    student_id       text        NOT NULL,
    csrf             text        NOT NULL,
    issuer           text        NOT NULL,
    subject          text        NOT NULL,
    authenticated_at timestamptz NOT NULL,
    started_at       timestamptz NOT NULL,
    seen_at          timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL CHECK (expires_at > started_at)
);
-- For the sweep of what has expired.
CREATE INDEX session_expires_at ON session (expires_at);
-- For the limit of sessions a person, and for ending all of them.
CREATE INDEX session_student ON session (student_id, started_at);

CREATE TABLE favourite (
    student_id text        PRIMARY KEY,
    kept_at    timestamptz NOT NULL
);

-- What students asked for. `department` is empty for a submission, which is the clearance's.
CREATE TABLE command (
    command_id uuid        PRIMARY KEY,
    student_id text        NOT NULL,
    department text        NOT NULL,
    name       text        NOT NULL,
    state      text        NOT NULL DEFAULT 'asked' CHECK (state IN ('asked', 'done', 'refused')),
    asked_at   timestamptz NOT NULL,
    ended_at   timestamptz,
    cause      text        NOT NULL DEFAULT '',
    reasons    jsonb       NOT NULL DEFAULT '{}',
    CHECK ((state = 'asked') = (ended_at IS NULL))
);
-- A second click, a second tab and a second device all meet the command that is already asked.
CREATE UNIQUE INDEX command_asked_once ON command (student_id, department, name) WHERE state = 'asked';
-- An accepted submission is the only one there will ever be.
CREATE UNIQUE INDEX command_submitted_once ON command (student_id)
    WHERE department = '' AND name = 'submit' AND state IN ('asked', 'done');
CREATE INDEX command_newest ON command (student_id, department, name, asked_at DESC);
