-- One confirmation round. Its id is the id of the student's command, so that asking again is the same attempt.
-- The row is the only writer of the round's end: whoever ends it holds it locked and finds it open.
CREATE TABLE attempt (
    attempt_id uuid        PRIMARY KEY,
    student_id text        NOT NULL,
    state      text        NOT NULL CHECK (state IN ('open', 'accepted', 'refused', 'expired')),
    required   text[]      NOT NULL,
    opened_at  timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > opened_at),
    ended_at   timestamptz,
    cause      text        NOT NULL DEFAULT '',
    objections jsonb       NOT NULL DEFAULT '{}',
    CHECK ((state = 'open') = (ended_at IS NULL)),
    CHECK (state <> 'open' OR cardinality(required) > 0)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX attempt_open_once ON attempt (student_id) WHERE state = 'open';
CREATE UNIQUE INDEX attempt_accepted_once ON attempt (student_id) WHERE state = 'accepted';
CREATE INDEX attempt_newest ON attempt (student_id, opened_at DESC);
CREATE INDEX attempt_due ON attempt (expires_at) WHERE state = 'open';

-- What a department attested, as it said it. Its first answer counts.
CREATE TABLE answer (
    attempt_id uuid        NOT NULL REFERENCES attempt,
    department text        NOT NULL,
    outcome    text        NOT NULL CHECK (outcome IN ('clear', 'objected')),
    said       text        NOT NULL,
    heard_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (attempt_id, department)
);

-- The public parts of the keys forms are signed with; the private ones are files. One signs, all but revoked verify.
CREATE TABLE signing_key (
    kid        text        PRIMARY KEY,
    public_jwk jsonb       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    retired_at timestamptz,
    revoked_at timestamptz,
    CHECK (revoked_at IS NULL OR retired_at IS NOT NULL)
);
CREATE UNIQUE INDEX signing_key_signs ON signing_key ((true)) WHERE retired_at IS NULL;

-- The submission: one a student, refused a second time by the key.
CREATE TABLE submission (
    student_id  text        PRIMARY KEY REFERENCES student_case,
    attempt_id  uuid        NOT NULL UNIQUE REFERENCES attempt,
    form_number text        NOT NULL UNIQUE,
    code        text        NOT NULL,
    accepted_at timestamptz NOT NULL,
    facts       jsonb       NOT NULL,
    receipt     text        NOT NULL,
    qr_text     text,
    kid         text        NOT NULL REFERENCES signing_key,
    CHECK (facts <> '{}')
);
CREATE INDEX submission_accepted ON submission (accepted_at);

-- Collected certificates, marked once.
CREATE TABLE issue (
    student_id text        PRIMARY KEY REFERENCES submission,
    issued_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    issued_by  text        NOT NULL,
    issued_to  text        NOT NULL CHECK (issued_to IN ('self', 'proxy')),
    proxy_name text,
    CHECK ((issued_to = 'proxy') = (proxy_name IS NOT NULL))
);

-- A pass taken away after the acceptance. The form stays as it was; the desk that checks it sees this.
CREATE TABLE exception (
    exception_id   bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    student_id     text        NOT NULL REFERENCES submission,
    department     text        NOT NULL,
    version        int         NOT NULL,
    reasons        jsonb       NOT NULL,
    opened_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at      timestamptz,
    closed_version int CHECK (closed_version > version),
    CHECK ((closed_at IS NULL) = (closed_version IS NULL))
);
CREATE UNIQUE INDEX exception_open_once ON exception (student_id, department) WHERE closed_at IS NULL;
CREATE UNIQUE INDEX exception_once ON exception (student_id, department, version);

-- A submission is never edited and never taken back, whoever tries.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    RAISE EXCEPTION 'a % is never changed', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$function$;
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON submission FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON answer FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON issue FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE VIEW published.attempt_v1 AS
SELECT attempt_id, student_id, state, opened_at, ended_at, cause, objections::json AS objections,
       coalesce((SELECT json_object_agg(answer.department, json_build_object('outcome', answer.outcome))
                 FROM answer WHERE answer.attempt_id = attempt.attempt_id), '{}') AS answers,
       required, expires_at
FROM attempt;

CREATE VIEW published.submission_v1 AS
SELECT submission.student_id, submission.attempt_id, form_number, accepted_at, receipt, facts::json AS facts,
       issue.issued_at, issue.issued_to,
       (SELECT count(*)::int FROM exception
        WHERE exception.student_id = submission.student_id AND closed_at IS NULL) AS exception_count,
       code, qr_text, kid, issue.issued_by, issue.proxy_name
FROM submission LEFT JOIN issue USING (student_id);

CREATE VIEW published.exception_v1 AS
SELECT student_id, department, version, reasons::json AS reasons, opened_at, closed_at, closed_version FROM exception;

CREATE VIEW published.signing_key_v1 AS
SELECT kid, public_jwk::json AS public_jwk, created_at, retired_at FROM signing_key WHERE revoked_at IS NULL;

GRANT SELECT ON ALL TABLES IN SCHEMA published TO lixiao_reader;
