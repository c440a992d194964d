-- Item → microseconds since 1970 of the newest word about it, `*` for the whole record: no older word changes it.
ALTER TABLE record ADD COLUMN instants jsonb NOT NULL DEFAULT '{}';
-- When the refused row was true: an older row does not settle it.
ALTER TABLE open_question ADD COLUMN as_of timestamptz;
