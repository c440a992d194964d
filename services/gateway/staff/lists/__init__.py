"""Work lists of a department: who is on them, as a page and as a file, and one operation for many."""
