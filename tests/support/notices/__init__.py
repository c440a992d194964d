"""The notice service as it runs, and the receivers of its notices."""
