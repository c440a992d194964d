-- What a job's rows did, counted under the import's own names, and the words that the configuration does not have.
ALTER TABLE import_job
    ADD COLUMN effects      jsonb  NOT NULL DEFAULT '{}',
    ADD COLUMN unrecognised text[] NOT NULL DEFAULT '{}';
