"""Who may call: bearer tokens of desks and systems, and the person a service acts for."""
