"""Signing in by OpenID Connect: the demonstration's provider, and one that misbehaves."""
