"""Reminders by staff over HTTP, for the pages they are sent from."""
