-- Attestations received before their attempt, as after a restore: they are on another topic than the commands. The
-- first of a department counts, unless a later one says how the attempt ended.
CREATE TABLE waiting_attestation (
    attempt_id  uuid        NOT NULL,
    department  text        NOT NULL,
    student_id  text        NOT NULL,
    said        text        NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (attempt_id, department)
);
CREATE INDEX waiting_attestation_age ON waiting_attestation (received_at);
