-- As of when the newest word of the roster about this student was true: an older one undoes nothing.
ALTER TABLE student_case ADD COLUMN said_as_of timestamptz;
