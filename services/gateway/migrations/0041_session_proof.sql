-- What shows that the person's session asked for a command, for when it is sent again: the session may be over by then.
-- Null in commands from before.
ALTER TABLE command ADD COLUMN session_proof jsonb;
