-- The case that the own evidence of the record is about. Departments that hear of a later one drop it.
ALTER TABLE record ADD COLUMN case_number int NOT NULL DEFAULT 1;
