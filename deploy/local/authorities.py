"""Certificate authorities for the HTTP clients of this process."""

import ssl
from functools import cache

import httpx


@cache
def known_authorities() -> ssl.SSLContext:
    """Those that httpx knows. It would read them again for each client, also for one that speaks plain HTTP: 24 ms."""
    return httpx.create_ssl_context()
