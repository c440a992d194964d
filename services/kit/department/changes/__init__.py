"""What changes a record: staff and their mistakes taken back, files, students, and what a department says it knows."""
