-- Checks that a hold does not rely on: the student does not need them.
ALTER TABLE hold ADD COLUMN waived text[] NOT NULL DEFAULT '{}';
