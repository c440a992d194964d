"""The contract between the services: events, topics and wire format. Imports nothing of ours."""
