"""What a case's page says of its submission: whether it may be, how far it is, and the form that came of it."""
