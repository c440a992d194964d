"""What requests of every service have in common: keys, instants, JSON bodies and their examples."""
