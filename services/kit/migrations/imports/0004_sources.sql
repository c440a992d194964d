-- The source by which the file was read, and its columns that the source ignores.
ALTER TABLE import_job
    ADD COLUMN source  text,
    ADD COLUMN ignored jsonb NOT NULL DEFAULT '[]';
