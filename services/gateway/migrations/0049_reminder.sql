-- Reminders that staff sent: who, from which list and how many. Whom is in the audit, and at the notice service.
CREATE TABLE reminder (
    reminder_id uuid PRIMARY KEY,
    area text NOT NULL,
    colleges text[],
    account text NOT NULL,
    filters jsonb NOT NULL,
    students integer NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX reminder_newest ON reminder (area, asked_at DESC);
CREATE INDEX reminder_age ON reminder (asked_at);
