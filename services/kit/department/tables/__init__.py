"""What a department stores of a student: the record, and what stands beside it. Locks begin with the record's."""
