-- Staff sign in too: they have roles, and most have no student number.
ALTER TABLE session ALTER COLUMN student_id DROP NOT NULL;
ALTER TABLE session ADD COLUMN roles text[] NOT NULL DEFAULT '{}';
ALTER TABLE session ADD CONSTRAINT session_somebody CHECK (student_id IS NOT NULL OR cardinality(roles) > 0);
-- The limit of sessions is a person's, whoever they are.
CREATE INDEX session_person ON session (issuer, subject, started_at);
DROP INDEX session_student;
