"""What a student is to know, and in which words: pure decisions."""
