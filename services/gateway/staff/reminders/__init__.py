"""Reminders that staff send: whom, about which lines, and what became of them."""
