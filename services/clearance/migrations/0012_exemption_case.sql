-- An exemption is of one case: a later one under the same student number has its own.
ALTER TABLE exemption ADD COLUMN case_number int NOT NULL DEFAULT 1;
DROP INDEX exemption_stands_once;
CREATE UNIQUE INDEX exemption_stands_once ON exemption (student_id, case_number, department, check_name)
    WHERE withdrawn_at IS NULL;

CREATE OR REPLACE VIEW published.exemption_v1 AS
SELECT exemption_id, student_id, department, check_name, kind, reason, until, made_at, ends_at, withdrawn_at,
       case_number
FROM exemption;
