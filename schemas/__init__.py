"""The contract between the services. Imports nothing of ours."""
