-- Headings as the file writes them (field → heading), for the reasons of its rows; what of it was not read.
ALTER TABLE import_job ADD COLUMN headings jsonb NOT NULL DEFAULT '{}';
ALTER TABLE import_job ADD COLUMN warnings jsonb NOT NULL DEFAULT '[]';
