-- Reminders that staff asked for, one row for each student of a press: what came of it, and the occasions of those that
-- are sent. Their ids are made of the press, so that it is one however often it is read.
CREATE TABLE reminder (
    reminder_id uuid NOT NULL,
    student_id text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('taken', 'done', 'recent', 'unwanted', 'no-address')),
    occasions uuid[] NOT NULL DEFAULT '{}',
    asked_at timestamptz NOT NULL,
    PRIMARY KEY (reminder_id, student_id)
);
CREATE INDEX reminder_of_student ON reminder (student_id);
CREATE INDEX reminder_asked ON reminder (asked_at);
