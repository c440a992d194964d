-- For the purge of what its time has ended for.
CREATE INDEX attestation_age ON attestation (given_at);
CREATE INDEX attempt_end_age ON attempt_end (heard_at);
CREATE INDEX command_done_age ON command_done (done_at);
