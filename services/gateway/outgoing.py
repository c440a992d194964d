"""The client for the provider and the desks: configured addresses only, no redirects, certificates checked."""

import ssl

import httpx

from services.gateway.settings import GatewaySettings


def outgoing_client(settings: GatewaySettings) -> httpx.AsyncClient:
    """With `authorities`, no others are believed."""
    verify = ssl.create_default_context(cafile=settings.authorities) if settings.authorities else True
    return httpx.AsyncClient(follow_redirects=False, trust_env=False, verify=verify)
