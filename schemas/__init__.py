"""The contract between the services: events, topics and how they are written on the wire. Imports nothing of ours."""
