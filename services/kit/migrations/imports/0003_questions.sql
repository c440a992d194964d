-- A row that reading found wrong waits like the others: its rejection opens a question in the same transaction.
ALTER TABLE import_row DROP CONSTRAINT import_row_check1;
ALTER TABLE import_row ADD CONSTRAINT import_row_problems CHECK (state <> 'rejected' OR problems IS NOT NULL);
ALTER TABLE import_row ADD CONSTRAINT import_row_no_problems CHECK (state NOT IN ('applied', 'unchanged') OR problems IS NULL);
-- Of a rejected row, if it can be read.
ALTER TABLE import_row ADD COLUMN student_id text;
-- `covers`: the cohorts the file is to cover, `*` for every student. `covered`: whether it did.
ALTER TABLE import_job
    ADD COLUMN covers   text[]  NOT NULL DEFAULT '{}',
    ADD COLUMN as_of    timestamptz,
    ADD COLUMN covered  boolean,
    ADD COLUMN students_questioned int     NOT NULL DEFAULT 0 CHECK (students_questioned >= 0);
