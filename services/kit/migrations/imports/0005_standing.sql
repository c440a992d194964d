-- Of the row's number on the roster; NULL where nobody looked it up.
ALTER TABLE import_row ADD COLUMN standing text
    CHECK (standing IN ('open', 'completed', 'not-served', 'closed', 'unknown'));
ALTER TABLE import_job ADD COLUMN unknown_students int NOT NULL DEFAULT 0 CHECK (unknown_students >= 0);
