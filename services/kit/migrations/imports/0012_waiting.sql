-- Rows kept back by a hold, for a job's progress.
CREATE INDEX import_row_waiting ON import_row (job_id) WHERE state = 'pending' AND held_tries > 0;
