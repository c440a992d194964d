"""The provider: our registration, and its endpoints and keys."""

import asyncio
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import httpx
from authlib.oidc.discovery import get_well_known_url
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import JWKRegistry, Key, OctKey, RSAKey

from services.gateway.identity.errors import ProviderUnavailable, Unavailability
from services.gateway.identity.http import is_secure_url, request_json
from services.kit.secret_files import NoSecret, secret_of

CACHE_LIFETIME_S: Final = 3600.0
REFRESH_PAUSE_S: Final = 5.0
MAX_KEYS: Final = 50
MIN_RSA_BITS: Final = 2048


@dataclass(frozen=True)
class OpenIdSettings:
    """A claim may be named by a path: `realm_access.roles`."""

    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    client_secret_file: Path | None = None
    """In its place; read at each use."""
    client_authentication: Literal["client_secret_basic", "client_secret_post", "none"] = "client_secret_basic"
    scope: str = "openid profile"
    student_id_claim: str = "student_id"
    roles_claim: str = "roles"
    userinfo: bool = False
    timeout_s: float = 5.0

    def __post_init__(self) -> None:
        if not is_secure_url(self.issuer, loopback_allowed=True):
            raise ValueError("the issuer must be an https address, or http on this machine")
        if self.client_secret is not None and self.client_secret_file is not None:
            raise ValueError("a client secret is given twice")
        if (self.client_authentication == "none") != (self.client_secret is None and self.client_secret_file is None):
            raise ValueError("a client secret is needed exactly when client_authentication is not 'none'")
        if "openid" not in self.scope.split():
            raise ValueError("the scope must contain openid")

    def secret(self) -> str | None:
        """Raises `ProviderUnavailable`."""
        try:
            return secret_of(self.client_secret, self.client_secret_file)
        except NoSecret:
            raise ProviderUnavailable(Unavailability.NO_SECRET) from None


@dataclass(frozen=True)
class DiscoveredProvider:
    """`endpoints` by their discovery names. Unnamed keys stay unnamed, which joserfc's `KeySet` would not leave."""

    endpoints: Mapping[str, str]
    keys: Sequence[Key]


class ProviderCache:
    """Discovered on demand, by one load for concurrent callers.

    `REFRESH_PAUSE_S` pass between loads that failures or unverifiable tokens cause, so that these flood no provider.
    """

    def __init__(self, http: httpx.AsyncClient, settings: OpenIdSettings, monotonic: Callable[[], float]) -> None:
        self._http = http
        self._settings = settings
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._loaded: tuple[DiscoveredProvider, float] | None = None
        self._failed: tuple[Unavailability, float] | None = None

    async def get(self, *, newer_than: DiscoveredProvider | None = None) -> DiscoveredProvider:
        """`newer_than` itself if it was loaded within the pause. Raises `ProviderUnavailable`."""
        async with self._lock:
            if self._loaded is not None:
                provider, loaded_s = self._loaded
                lifetime_s = REFRESH_PAUSE_S if provider is newer_than else CACHE_LIFETIME_S
                if self._monotonic() < loaded_s + lifetime_s:
                    return provider
            if self._failed is not None and self._monotonic() < self._failed[1] + REFRESH_PAUSE_S:
                raise ProviderUnavailable(self._failed[0])
            try:
                provider = await self._discover()
            except ProviderUnavailable as error:
                self._failed = (error.reason, self._monotonic())
                raise
            self._loaded, self._failed = (provider, self._monotonic()), None
            return provider

    async def _discover(self) -> DiscoveredProvider:
        issuer = self._settings.issuer
        document = await self._get(get_well_known_url(issuer, external=True))
        endpoints = endpoints_in(document, issuer, userinfo=self._settings.userinfo)
        if keys := usable_keys(await self._get(endpoints["jwks_uri"])):
            return DiscoveredProvider(endpoints, keys)
        raise ProviderUnavailable(Unavailability.NO_KEYS)

    async def _get(self, url: str) -> dict[str, Any]:
        status, document = await request_json(self._http, "GET", url, self._settings.timeout_s)
        if status != 200:
            raise ProviderUnavailable(Unavailability.BAD_STATUS)
        return document


def endpoints_in(document: Mapping[str, Any], issuer: str, *, userinfo: bool = False) -> Mapping[str, str]:
    """Raises `ProviderUnavailable`, also if the document is not `issuer`'s own."""
    if document.get("issuer") != issuer:
        raise ProviderUnavailable(Unavailability.ISSUER_MISMATCH)
    names = ["authorization_endpoint", "token_endpoint", "jwks_uri", *(["userinfo_endpoint"] if userinfo else ())]
    if document.get("end_session_endpoint") is not None:
        names.append("end_session_endpoint")
    # An https provider must not lead to a port of this machine.
    loopback_allowed = issuer.startswith("http:")
    if not all(is_secure_url(document.get(name), loopback_allowed=loopback_allowed) for name in names):
        raise ProviderUnavailable(Unavailability.BAD_METADATA)
    return {name: document[name] for name in names}


def usable_keys(document: Mapping[str, Any]) -> Sequence[Key]:
    """Those of a JWKS that may sign; joserfc's `KeySet.import_key_set` would refuse the set for one broken key."""
    entries = document.get("keys")
    keys: list[Key] = []
    for entry in entries[:MAX_KEYS] if isinstance(entries, list) else ():
        try:
            with warnings.catch_warnings(action="ignore", category=SecurityWarning):  # of a short key
                key = JWKRegistry.import_key(entry)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        short = isinstance(key, RSAKey) and key.raw_value.key_size < MIN_RSA_BITS
        signs = key.get("use", "sig") == "sig" and "verify" in (key.get("key_ops") or ["verify"])
        if not isinstance(key, OctKey) and not short and signs:
            keys.append(key)
    return keys
