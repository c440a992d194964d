-- A student may submit again: after a form was voided, and in a later case. Each time once.
ALTER TABLE command ADD COLUMN forms_before int NOT NULL DEFAULT 0 CHECK (forms_before >= 0);
DROP INDEX command_submitted_once;
CREATE UNIQUE INDEX command_submitted_once ON command (student_id, forms_before)
    WHERE department = '' AND name = 'submit' AND state IN ('asked', 'done');
