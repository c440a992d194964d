"""Items that one student holds at a time, such as a copy of a book: who has it."""
