"""What a provider publishes, its endpoints and keys, over HTTP bounded in time, size and number of requests."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
from joserfc.jwk import KeySet

from services.gateway.oidc.errors import ProviderUnavailable, Unavailability

MAX_RESPONSE_BYTES: Final = 262_144
CACHE_LIFETIME_S: Final = 3600.0
REFRESH_PAUSE_S: Final = 5.0
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class DiscoveredProvider:
    """`endpoints` by their names in the discovery document; `end_session_endpoint` may be absent."""

    endpoints: Mapping[str, str]
    keys: KeySet


def is_secure_url(url: object, *, loopback_allowed: bool) -> bool:
    """https without credentials or fragment; plain http only to this machine, and only if allowed."""
    try:
        parsed = httpx.URL(url)  # type: ignore[arg-type]
    except (TypeError, httpx.InvalidURL):
        return False
    if not parsed.host or parsed.userinfo or parsed.fragment:
        return False
    return parsed.scheme == "https" or (loopback_allowed and parsed.scheme == "http" and parsed.host in _LOOPBACK)


def endpoints_in(document: Mapping[str, Any], issuer: str) -> Mapping[str, str]:
    """The endpoints of a discovery document, which must be `issuer`'s own. Raises `ProviderUnavailable`."""
    if document.get("issuer") != issuer:
        raise ProviderUnavailable(Unavailability.ISSUER_MISMATCH)
    names = {"authorization_endpoint", "token_endpoint", "jwks_uri"} | ({"end_session_endpoint"} & document.keys())
    # An https provider must not lead to a port of this machine.
    loopback_allowed = issuer.startswith("http:")
    if not all(is_secure_url(document.get(name), loopback_allowed=loopback_allowed) for name in names):
        raise ProviderUnavailable(Unavailability.BAD_METADATA)
    return {name: document[name] for name in names}


async def request_json(
    http: httpx.AsyncClient, method: str, url: str, timeout_s: float, **options: Any
) -> tuple[int, dict[str, Any]]:
    """The status and the JSON object of one answer, empty for an error without one. Raises `ProviderUnavailable`."""
    # Not compressed: the bound on what is read is then a bound on what it unpacks to.
    options |= {"headers": {"Accept": "application/json", "Accept-Encoding": "identity"}, "follow_redirects": False}
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
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if response.status_code == 200 and not isinstance(document, dict):
        raise ProviderUnavailable(Unavailability.NOT_JSON)
    return response.status_code, document if isinstance(document, dict) else {}


class ProviderCache:
    """The provider, loaded on demand and kept for `CACHE_LIFETIME_S`.

    Concurrent callers share one load, and `REFRESH_PAUSE_S` pass between loads that a failure or an unknown key asks
    for: neither a dead provider nor a flood of tokens becomes a flood of requests.
    """

    def __init__(self, load: Callable[[], Awaitable[DiscoveredProvider]], monotonic: Callable[[], float]) -> None:
        self._load = load
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._loaded: tuple[DiscoveredProvider, float] | None = None
        self._failed: tuple[Unavailability, float] | None = None

    async def get(self, *, newer_than: DiscoveredProvider | None = None) -> DiscoveredProvider:
        """The provider; `newer_than` itself if it was loaded within the pause. Raises `ProviderUnavailable`."""
        async with self._lock:
            if self._loaded is not None:
                provider, loaded_s = self._loaded
                lifetime_s = REFRESH_PAUSE_S if provider is newer_than else CACHE_LIFETIME_S
                if self._monotonic() < loaded_s + lifetime_s:
                    return provider
            if self._failed is not None and self._monotonic() < self._failed[1] + REFRESH_PAUSE_S:
                raise ProviderUnavailable(self._failed[0])
            try:
                provider = await self._load()
            except ProviderUnavailable as error:
                self._failed = (error.reason, self._monotonic())
                raise
            self._loaded, self._failed = (provider, self._monotonic()), None
            return provider
