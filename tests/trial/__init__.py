"""`make trial`: a fault is put into a small installation, and an operator who does not know it names it."""
