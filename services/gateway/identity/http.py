"""Requests to the provider: bounded in time and size, without redirects, over https beyond this machine."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

import httpx

from services.gateway.identity.errors import ProviderUnavailable, Unavailability

MAX_RESPONSE_BYTES: Final = 262_144
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def is_secure_url(url: object, *, loopback_allowed: bool) -> bool:
    """https without credentials or fragment, or allowed http to this machine."""
    try:
        parsed = httpx.URL(url)  # type: ignore[arg-type]
    except (TypeError, httpx.InvalidURL):
        return False
    if not parsed.host or parsed.userinfo or parsed.fragment:
        return False
    return parsed.scheme == "https" or (loopback_allowed and parsed.scheme == "http" and parsed.host in _LOOPBACK)


async def request(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    timeout_s: float,
    headers: Mapping[str, str] | None = None,
    **options: Any,
) -> tuple[httpx.Response, bytes]:
    """The answer and its body. Raises `ProviderUnavailable`."""
    # Not compressed: the bound on what is read is then a bound on what it unpacks to.
    options |= {"headers": {"Accept-Encoding": "identity", **(headers or {})}, "follow_redirects": False}
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s), http.stream(method, url, timeout=timeout_s, **options) as response:
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_RESPONSE_BYTES:
                    raise ProviderUnavailable(Unavailability.TOO_LARGE)
    except (TimeoutError, httpx.TimeoutException):
        raise ProviderUnavailable(Unavailability.TIMED_OUT) from None
    except httpx.HTTPError:
        raise ProviderUnavailable(Unavailability.UNREACHABLE) from None
    if 300 <= response.status_code < 400:
        raise ProviderUnavailable(Unavailability.REDIRECTED)
    return response, bytes(body)


async def request_json(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    timeout_s: float,
    headers: Mapping[str, str] | None = None,
    **options: Any,
) -> tuple[int, dict[str, Any]]:
    """Status and JSON object, empty for an error without one. Raises `ProviderUnavailable`."""
    accepted = {"Accept": "application/json", **(headers or {})}
    response, body = await request(http, method, url, timeout_s, accepted, **options)
    if response.headers.get("content-type", "").lower().startswith("application/jwt"):
        raise ProviderUnavailable(Unavailability.SIGNED_RESPONSE)
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if response.status_code == 200 and not isinstance(document, dict):
        raise ProviderUnavailable(Unavailability.NOT_JSON)
    return response.status_code, document if isinstance(document, dict) else {}
