"""The client for the provider and the desks: configured addresses only, no redirects, certificates checked."""

import ssl
from typing import Final

import httpx

from services.gateway.settings import GatewaySettings

_LIMITS: Final = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=2.0)
"""Desks close an idle connection after five seconds, which is httpx's own time: a request could meet that."""


def outgoing_client(settings: GatewaySettings) -> httpx.AsyncClient:
    """With `authorities`, no others are believed."""
    verify = ssl.create_default_context(cafile=settings.authorities) if settings.authorities else True
    return httpx.AsyncClient(follow_redirects=False, trust_env=False, verify=verify, limits=_LIMITS)
