"""The clearance: its projector, its store, its commands."""
