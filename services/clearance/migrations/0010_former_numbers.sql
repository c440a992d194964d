-- A former number of a person. Its departments publish as of an open case, and it submits nothing of its own.
ALTER TABLE student_case ADD COLUMN joined_to text REFERENCES student_case CHECK (joined_to <> student_id);
CREATE INDEX student_case_former ON student_case (joined_to) WHERE joined_to IS NOT NULL;

-- The part of an attempt that asks about a former number, the `ordinal`-th. It begins and ends with its parent.
ALTER TABLE attempt
    ADD COLUMN parent_id uuid REFERENCES attempt,
    ADD COLUMN ordinal   int NOT NULL DEFAULT 0,
    ADD CHECK ((parent_id IS NULL) = (ordinal = 0));
CREATE UNIQUE INDEX attempt_part ON attempt (parent_id, ordinal) WHERE parent_id IS NOT NULL;

-- Former number → department → what it attested.
ALTER TABLE submission ADD COLUMN former jsonb NOT NULL DEFAULT '{}';

-- `ordinal`: of the former number that the department speaks of; 0 of the form's own.
ALTER TABLE exception ADD COLUMN ordinal int NOT NULL DEFAULT 0;
ALTER TABLE exception ADD COLUMN name text GENERATED ALWAYS AS (
    CASE ordinal WHEN 0 THEN '' ELSE 'former-' || ordinal || '-' END || department || ' ' || version) STORED;
DROP INDEX exception_open_once;
DROP INDEX exception_once;
CREATE UNIQUE INDEX exception_open_once ON exception (attempt_id, ordinal, department) WHERE closed_at IS NULL;
CREATE UNIQUE INDEX exception_once ON exception (attempt_id, ordinal, department, version);

CREATE OR REPLACE VIEW standing_submission AS
SELECT submission.* FROM submission
WHERE NOT EXISTS (SELECT FROM form_void WHERE form_void.attempt_id = submission.attempt_id);
-- The numbers that a form that stands speaks of, and what was attested of each; `asked_id`: the attempt that asked.
CREATE VIEW attested_number AS
SELECT attempt_id, student_id, 0 AS ordinal, attempt_id AS asked_id, facts, accepted_at FROM standing_submission
UNION ALL
SELECT form.attempt_id, part.student_id, part.ordinal, part.attempt_id, form.former -> part.student_id, form.accepted_at
FROM attempt AS part JOIN standing_submission AS form ON form.attempt_id = part.parent_id
WHERE part.parent_id IS NOT NULL;

CREATE OR REPLACE VIEW published.exception_v1 AS
SELECT exception.student_id, department, version, reasons::json AS reasons, opened_at, closed_at, closed_version
FROM exception JOIN published.submission_v1 AS form USING (attempt_id) WHERE ordinal = 0;

CREATE OR REPLACE VIEW published.exception_v2 AS
SELECT form_number, form.student_id, name, department, version, reasons::json AS reasons, opened_at, closed_at,
       CASE WHEN ordinal > 0 THEN exception.student_id END AS former_number
FROM exception JOIN submission AS form USING (attempt_id)
UNION ALL
SELECT form_number, form.student_id, 'roster ' || number, NULL, number, reasons::json, opened_at, closed_at, NULL
FROM roster_exception JOIN submission AS form USING (attempt_id);

CREATE OR REPLACE VIEW published.case_v1 AS
SELECT student_id, version, CASE WHEN joined_to IS NULL OR state = 'completed' THEN state ELSE 'closed' END AS state,
       name, gender, grade, college, major, enrolled_on, leave_category, opened_on, case_number
FROM student_case;

CREATE OR REPLACE VIEW published.attempt_v1 AS
SELECT attempt_id, student_id, state, opened_at, ended_at, cause, objections::json AS objections,
       coalesce((SELECT json_object_agg(answer.department, json_build_object('outcome', answer.outcome))
                 FROM answer WHERE answer.attempt_id = attempt.attempt_id), '{}') AS answers,
       required, expires_at, case_number
FROM attempt WHERE parent_id IS NULL;

CREATE VIEW published.former_number_v1 AS
SELECT joined_to AS student_id, student_id AS former_number FROM student_case WHERE joined_to IS NOT NULL;

GRANT SELECT ON ALL TABLES IN SCHEMA published TO lixiao_reader;
