-- A student number has one case after another, a case one form after another, a form one hand-over after another. Each
-- chain is kept by its keys: `follows` is the number before one's own, and refers to the row that ended it. So a case
-- has at most one standing form, and a form at most one standing hand-over, whoever writes.
ALTER TABLE student_case ADD COLUMN case_number int NOT NULL DEFAULT 1 CHECK (case_number >= 1);
-- Taken off the roster after its completion: the case stays completed, its form has an exception.
ALTER TABLE student_case ADD COLUMN taken_off boolean NOT NULL DEFAULT false;

ALTER TABLE attempt ADD COLUMN case_number int NOT NULL DEFAULT 1;
DROP INDEX attempt_accepted_once;

ALTER TABLE submission DISABLE TRIGGER never_changed;
ALTER TABLE issue DISABLE TRIGGER never_changed;
ALTER TABLE issue DROP CONSTRAINT issue_student_id_fkey, DROP CONSTRAINT issue_pkey;
ALTER TABLE exception DROP CONSTRAINT exception_student_id_fkey;

ALTER TABLE submission
    DROP CONSTRAINT submission_pkey, DROP CONSTRAINT submission_attempt_id_key, ADD PRIMARY KEY (attempt_id);
ALTER TABLE submission
    ADD COLUMN case_number int NOT NULL DEFAULT 1,
    ADD COLUMN sequence    int NOT NULL DEFAULT 1 CHECK (sequence >= 1),
    ADD COLUMN follows     int GENERATED ALWAYS AS (nullif(sequence - 1, 0)) STORED,
    ADD COLUMN student     jsonb,
    ADD UNIQUE (student_id, case_number, sequence);
-- The roster as it was signed. What forms of before did not carry, a cohort, is absent.
UPDATE submission SET student = convert_from(
    decode(rpad(translate(body, '-_', '+/'), (length(body) + 3) / 4 * 4, '='), 'base64'), 'utf8')::jsonb -> 'student'
FROM (SELECT attempt_id AS id, split_part(receipt, '.', 2) AS body FROM submission) AS signed WHERE attempt_id = id;
ALTER TABLE submission ALTER COLUMN student SET NOT NULL;

CREATE TABLE form_void (
    attempt_id   uuid        PRIMARY KEY REFERENCES submission,
    student_id   text        NOT NULL,
    case_number  int         NOT NULL,
    sequence     int         NOT NULL,
    reason       text        NOT NULL CHECK (reason <> ''),
    voided_by    text        NOT NULL,
    confirmed_by text,
    voided_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (student_id, case_number, sequence),
    FOREIGN KEY (student_id, case_number, sequence) REFERENCES submission (student_id, case_number, sequence)
);
ALTER TABLE submission
    ADD FOREIGN KEY (student_id, case_number, follows) REFERENCES form_void (student_id, case_number, sequence);

ALTER TABLE issue
    ADD COLUMN attempt_id uuid REFERENCES submission,
    ADD COLUMN number     int   NOT NULL DEFAULT 1 CHECK (number >= 1),
    ADD COLUMN follows    int   GENERATED ALWAYS AS (nullif(number - 1, 0)) STORED,
    -- The exceptions that the clerk confirmed, by name, and why.
    ADD COLUMN confirmed  jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN reason     text  NOT NULL DEFAULT '';
UPDATE issue SET attempt_id = submission.attempt_id FROM submission WHERE submission.student_id = issue.student_id;
ALTER TABLE issue ALTER COLUMN attempt_id SET NOT NULL, ADD PRIMARY KEY (attempt_id, number);
CREATE TABLE issue_undo (
    attempt_id uuid        NOT NULL,
    number     int         NOT NULL,
    reason     text        NOT NULL CHECK (reason <> ''),
    undone_by  text        NOT NULL,
    undone_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    command_id uuid        NOT NULL UNIQUE,
    PRIMARY KEY (attempt_id, number),
    FOREIGN KEY (attempt_id, number) REFERENCES issue
);
ALTER TABLE issue ADD FOREIGN KEY (attempt_id, follows) REFERENCES issue_undo (attempt_id, number);

-- What a desk asked and was refused, so that it learns why and asking again changes nothing.
CREATE TABLE desk_refusal (
    command_id uuid        PRIMARY KEY,
    attempt_id uuid        NOT NULL REFERENCES submission,
    cause      text        NOT NULL,
    refused_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

ALTER TABLE exception ADD COLUMN attempt_id uuid REFERENCES submission;
UPDATE exception SET attempt_id = submission.attempt_id FROM submission
WHERE submission.student_id = exception.student_id;
ALTER TABLE exception ALTER COLUMN attempt_id SET NOT NULL;
DROP INDEX exception_open_once;
DROP INDEX exception_once;
CREATE UNIQUE INDEX exception_open_once ON exception (attempt_id, department) WHERE closed_at IS NULL;
CREATE UNIQUE INDEX exception_once ON exception (attempt_id, department, version);

-- What the roster says otherwise than a form, until it says the same again or something else.
CREATE TABLE roster_exception (
    attempt_id uuid        NOT NULL REFERENCES submission,
    number     int         NOT NULL CHECK (number >= 1),
    reasons    jsonb       NOT NULL CHECK (reasons <> '[]'),
    opened_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at  timestamptz,
    PRIMARY KEY (attempt_id, number)
);
CREATE UNIQUE INDEX roster_exception_open_once ON roster_exception (attempt_id) WHERE closed_at IS NULL;

ALTER TABLE submission ENABLE TRIGGER never_changed;
ALTER TABLE issue ENABLE TRIGGER never_changed;
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON form_void FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON issue_undo FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON desk_refusal FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE VIEW standing_submission AS
SELECT submission.* FROM submission
WHERE NOT EXISTS (SELECT FROM form_void WHERE form_void.attempt_id = submission.attempt_id);
CREATE VIEW standing_issue AS
SELECT issue.* FROM issue WHERE NOT EXISTS (
    SELECT FROM issue_undo WHERE issue_undo.attempt_id = issue.attempt_id AND issue_undo.number = issue.number);
CREATE VIEW open_exception AS
SELECT attempt_id FROM exception WHERE closed_at IS NULL
UNION ALL SELECT attempt_id FROM roster_exception WHERE closed_at IS NULL;

-- Views of one row a student show the newest form that stands; those of the second version show everything.
CREATE OR REPLACE VIEW published.submission_v1 AS
SELECT form.student_id, form.attempt_id, form_number, accepted_at, receipt, facts::json AS facts,
       issued_at, issued_to,
       (SELECT count(*)::int FROM open_exception WHERE open_exception.attempt_id = form.attempt_id) AS exception_count,
       code, qr_text, kid, issued_by, proxy_name
FROM standing_submission AS form LEFT JOIN standing_issue AS handed USING (attempt_id)
WHERE NOT EXISTS (
    SELECT FROM standing_submission AS later
    WHERE later.student_id = form.student_id AND later.case_number > form.case_number);

CREATE VIEW published.submission_v2 AS
SELECT form.student_id, form.case_number, form.sequence, form.attempt_id, form.form_number, form.accepted_at,
       form.receipt, form.facts::json AS facts, form.code, form.qr_text, form.kid,
       issued_at, issued_by, issued_to, proxy_name,
       (SELECT count(*)::int FROM open_exception WHERE open_exception.attempt_id = form.attempt_id) AS exception_count,
       before.form_number AS replaces, voided_at, form_void.reason AS void_reason, after.form_number AS replaced_by
FROM submission AS form
LEFT JOIN form_void USING (attempt_id)
LEFT JOIN standing_issue AS handed USING (attempt_id)
LEFT JOIN submission AS before
    ON (before.student_id, before.case_number, before.sequence) = (form.student_id, form.case_number, form.follows)
LEFT JOIN submission AS after
    ON (after.student_id, after.case_number, after.sequence) = (form.student_id, form.case_number, form.sequence + 1);

CREATE OR REPLACE VIEW published.issue_v1 AS
SELECT form.student_id, form.form_number, handed.issued_at, handed.issued_by, handed.issued_to, handed.proxy_name,
       handed.command_id
FROM standing_issue AS handed JOIN published.submission_v1 AS form USING (attempt_id);

CREATE VIEW published.issue_v2 AS
SELECT form_number, form.student_id, issue.number, issued_at, issued_by, issued_to, proxy_name, issue.command_id,
       confirmed::json AS confirmed, issue.reason, undone_at, undone_by, issue_undo.reason AS undo_reason,
       issue_undo.command_id AS undo_command_id
FROM issue JOIN submission AS form USING (attempt_id)
LEFT JOIN issue_undo ON (issue_undo.attempt_id, issue_undo.number) = (issue.attempt_id, issue.number);

CREATE OR REPLACE VIEW published.exception_v1 AS
SELECT exception.student_id, department, version, reasons::json AS reasons, opened_at, closed_at, closed_version
FROM exception JOIN published.submission_v1 AS form USING (attempt_id);

CREATE VIEW published.exception_v2 AS
SELECT form_number, form.student_id, department || ' ' || version AS name, department, version,
       reasons::json AS reasons, opened_at, closed_at
FROM exception JOIN submission AS form USING (attempt_id)
UNION ALL
SELECT form_number, form.student_id, 'roster ' || number, NULL, number, reasons::json, opened_at, closed_at
FROM roster_exception JOIN submission AS form USING (attempt_id);

CREATE VIEW published.desk_refusal_v1 AS
SELECT command_id, form_number, cause, refused_at FROM desk_refusal JOIN submission USING (attempt_id);

CREATE OR REPLACE VIEW published.case_v1 AS
SELECT student_id, version, state, name, gender, grade, college, major, enrolled_on, leave_category, opened_on,
       case_number
FROM student_case;

CREATE OR REPLACE VIEW published.attempt_v1 AS
SELECT attempt_id, student_id, state, opened_at, ended_at, cause, objections::json AS objections,
       coalesce((SELECT json_object_agg(answer.department, json_build_object('outcome', answer.outcome))
                 FROM answer WHERE answer.attempt_id = attempt.attempt_id), '{}') AS answers,
       required, expires_at, case_number
FROM attempt;

GRANT SELECT ON ALL TABLES IN SCHEMA published TO lixiao_reader;
