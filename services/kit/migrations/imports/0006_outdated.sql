-- A row that is older than what is on record and would undo it: left out and counted.
ALTER TABLE import_row
    DROP CONSTRAINT import_row_state_check,
    ADD CONSTRAINT import_row_state_check
        CHECK (state IN ('pending', 'applied', 'unchanged', 'rejected', 'outdated'));
ALTER TABLE import_job
    ADD COLUMN outdated int NOT NULL DEFAULT 0 CHECK (outdated >= 0),
    DROP CONSTRAINT import_job_check,
    DROP CONSTRAINT import_job_check2,
    ADD CONSTRAINT import_job_rows CHECK (applied + unchanged + rejected + outdated <= rows_total),
    ADD CONSTRAINT import_job_all_rows
        CHECK (state <> 'done' OR applied + unchanged + rejected + outdated = rows_total);
