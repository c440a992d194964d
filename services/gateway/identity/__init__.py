"""Signing in at the university's identity provider, by OpenID Connect or CAS."""
