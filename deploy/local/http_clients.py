"""HTTP clients of what runs on this machine: the one place that knows how they are set up."""

import ssl
from functools import cache
from typing import Any, Final

import httpx

KEPT_BRIEFLY: Final = httpx.Limits(keepalive_expiry=2.0)
"""Services close an idle connection after five seconds, which is httpx's own time: a request could meet that."""


@cache
def known_authorities() -> ssl.SSLContext:
    """Those that httpx knows. It would read them again for each client, also for one that speaks plain HTTP: 24 ms."""
    return httpx.create_ssl_context()


def local_client(base_url: str = "", **settings: Any) -> httpx.AsyncClient:
    """`settings`: as of httpx, which differ from those of every client here."""
    return httpx.AsyncClient(base_url=base_url, **(_of_every_client() | settings))


def local_blocking_client(base_url: str = "", **settings: Any) -> httpx.Client:
    """As `local_client`, for code without an event loop."""
    return httpx.Client(base_url=base_url, **(_of_every_client() | settings))


def _of_every_client() -> dict[str, Any]:
    # A proxy from the environment is not for this machine's own addresses.
    return {"trust_env": False, "limits": KEPT_BRIEFLY, "verify": known_authorities()}
