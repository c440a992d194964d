"""A department over HTTP: its desk, the items it hands out, and what it knows."""
