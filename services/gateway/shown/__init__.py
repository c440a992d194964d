"""What a student's information page showed, and when: written as pages are shown, read by operators."""
