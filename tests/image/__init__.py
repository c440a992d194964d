"""`python -m tests.image`: the built image as every service."""
