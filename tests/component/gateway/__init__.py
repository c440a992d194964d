"""The gateway on a real port, with databases to read and an identity provider to sign in at."""
