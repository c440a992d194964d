-- For the purge of what its time has ended for.
CREATE INDEX command_age ON command (ended_at) WHERE state <> 'asked';
