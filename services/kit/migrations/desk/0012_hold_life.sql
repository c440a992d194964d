-- When the clearance no longer accepts the attempt. The default is of a service that does not write it yet: the longest
-- life an attempt may be given.
ALTER TABLE hold
    ADD COLUMN expires_at timestamptz NOT NULL DEFAULT clock_timestamp() + interval '1 day',
    ADD COLUMN asked_at   timestamptz;
CREATE INDEX hold_overdue ON hold (expires_at);
-- The hold was ended without its attempt's end: the answer counts for nothing any more.
ALTER TABLE attestation ADD COLUMN lapsed_at timestamptz;
-- Of a refusal, for a clearance that has lost it.
ALTER TABLE attempt_end ADD COLUMN cause text;
-- A change that met a hold: the next attempt is objected until it came, or gave up. `blocked`: the checks it blocks.
CREATE TABLE waiting_change (
    student_id text        PRIMARY KEY,
    blocked    text[]      NOT NULL,
    noted_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX waiting_change_age ON waiting_change (noted_at);
