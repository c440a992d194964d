-- A command is sent again, under its id, until it is answered or given up.
ALTER TABLE command
    ADD COLUMN sends        int         NOT NULL DEFAULT 1,
    ADD COLUMN next_send_at timestamptz NOT NULL DEFAULT clock_timestamp();
CREATE INDEX command_due ON command (next_send_at) WHERE state = 'asked';
