"""The gateway as an OpenID Connect relying party: authorization code with PKCE against any provider by configuration.

The provider must put the claims that are asked for into the ID token: the userinfo endpoint is not called.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote_plus

import httpx

from services.gateway.id_token import Expected, Identity, identity_of
from services.gateway.provider_http import Cached, call
from services.gateway.provider_metadata import (
    WELL_KNOWN,
    Metadata,
    code_challenge,
    is_acceptable_url,
    parse_metadata,
    with_query,
)
from services.gateway.refusals import ProviderUnavailable, Refusal, SignInRefused, Unavailability
from services.gateway.token_signature import Header, Key, find_key, read_header, usable_keys, verified_claims

__all__ = [
    "Identity",
    "OpenIdClient",
    "OpenIdSettings",
    "ProviderUnavailable",
    "Refusal",
    "SignInRefused",
    "Unavailability",
]


@dataclass(frozen=True)
class OpenIdSettings:
    """One provider and this service's registration there. Claims may be named by a path: `realm_access.roles`.

    Raises `ValueError` for an issuer that is neither https nor http on this machine, and for a secret that the
    chosen authentication does not fit.
    """

    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    client_authentication: Literal["client_secret_basic", "client_secret_post", "none"] = "client_secret_basic"
    scope: str = "openid profile"
    student_id_claim: str = "student_id"
    roles_claim: str = "roles"
    accepted_acrs: frozenset[str] = frozenset()
    timeout_s: float = 5.0

    def __post_init__(self) -> None:
        if not is_acceptable_url(self.issuer, plain_http_allowed=True):
            raise ValueError("the issuer must be an https address, or http on this machine")
        if (self.client_authentication == "none") != (self.client_secret is None):
            raise ValueError("a client secret is needed exactly when client_authentication is not 'none'")
        if "openid" not in self.scope.split(" "):
            raise ValueError("the scope must contain openid")


class OpenIdClient:
    """Signs people in at one provider. One for each process; safe to use from many requests at once."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        settings: OpenIdSettings,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._settings = settings
        self._clock = clock
        self._metadata = Cached(self._load_metadata, monotonic)
        self._keys = Cached(self._load_keys, monotonic)

    async def authorization_url(
        self, state: str, nonce: str, code_verifier: str, redirect_uri: str, max_age_s: int | None = None
    ) -> str:
        """Where to send the browser. `max_age_s` asks the provider to sign the person in afresh when that is older.

        Raises `ProviderUnavailable`, and `ValueError` for a verifier that is not one.
        """
        parameters = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": self._settings.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": code_challenge(code_verifier),
            "code_challenge_method": "S256",
        }
        if max_age_s is not None:
            parameters["max_age"] = str(max_age_s)
        if self._settings.accepted_acrs:
            parameters["acr_values"] = " ".join(sorted(self._settings.accepted_acrs))
        return with_query((await self._metadata.get()).authorization_endpoint, parameters)

    async def logout_url(self, post_logout_redirect_uri: str) -> str | None:
        """Where to send the browser to sign out at the provider too, or None where it does not offer that.

        Raises `ProviderUnavailable`.
        """
        endpoint = (await self._metadata.get()).end_session_endpoint
        if endpoint is None:
            return None
        parameters = {"client_id": self._settings.client_id, "post_logout_redirect_uri": post_logout_redirect_uri}
        return with_query(endpoint, parameters)

    async def exchange(
        self, code: str, code_verifier: str, nonce: str, redirect_uri: str, max_age_s: int | None = None
    ) -> Identity:
        """Turn the code of a callback into who signed in. The caller has compared `state` before.

        Raises `SignInRefused` or `ProviderUnavailable`; either way the code is spent and the person starts again.
        """
        token = await self._redeem(code, code_verifier, redirect_uri)
        header = read_header(token)
        claims = verified_claims(token, header, await self._key(header))
        settings = self._settings
        expected = Expected(
            issuer=settings.issuer,
            client_id=settings.client_id,
            nonce=nonce,
            max_age_s=max_age_s,
            student_id_claim=settings.student_id_claim,
            roles_claim=settings.roles_claim,
            accepted_acrs=settings.accepted_acrs,
        )
        return identity_of(claims, expected, self._clock())

    async def _redeem(self, code: str, code_verifier: str, redirect_uri: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": code_verifier,
            "redirect_uri": redirect_uri,
        }
        auth: httpx.BasicAuth | None = None
        settings = self._settings
        secret = settings.client_secret
        if settings.client_authentication == "client_secret_basic" and secret is not None:
            # RFC 6749 §2.3.1: both parts are form-encoded before they are joined.
            auth = httpx.BasicAuth(quote_plus(settings.client_id), quote_plus(secret))
        else:
            form["client_id"] = settings.client_id
            if secret is not None:
                form["client_secret"] = secret
        endpoint = (await self._metadata.get()).token_endpoint
        status, document = await call(self._http, "POST", endpoint, settings.timeout_s, form, auth)
        return _id_token_in(status, document)

    async def _key(self, header: Header) -> Key:
        keys = await self._keys.get()
        key = find_key(header, keys) or find_key(header, await self._keys.newer_than(keys))
        if key is None:
            raise SignInRefused(Refusal.UNKNOWN_KEY)
        return key

    async def _load_metadata(self) -> Metadata:
        status, document = await call(
            self._http, "GET", self._settings.issuer.rstrip("/") + WELL_KNOWN, self._settings.timeout_s
        )
        if status != 200:
            raise ProviderUnavailable(Unavailability.BAD_STATUS)
        return parse_metadata(document, self._settings.issuer)

    async def _load_keys(self) -> tuple[Key, ...]:
        status, document = await call(
            self._http, "GET", (await self._metadata.get()).jwks_uri, self._settings.timeout_s
        )
        if status != 200:
            raise ProviderUnavailable(Unavailability.BAD_STATUS)
        keys = usable_keys(document)
        if not keys:
            raise ProviderUnavailable(Unavailability.NO_KEYS)
        return keys


def _id_token_in(status: int, document: object) -> str:
    """The ID token of a token endpoint's answer. Raises `SignInRefused` or `ProviderUnavailable`."""
    answer: Mapping[str, Any] = document if isinstance(document, dict) else {}
    error = answer.get("error")
    if error in ("invalid_client", "unauthorized_client") or (status in (401, 403) and error != "invalid_grant"):
        raise ProviderUnavailable(Unavailability.CLIENT_REJECTED)
    if error == "invalid_grant" or status == 400:
        raise SignInRefused(Refusal.CODE_REFUSED)
    if status != 200:
        raise ProviderUnavailable(Unavailability.BAD_STATUS)
    token = answer.get("id_token")
    if not isinstance(token, str) or not token.isascii():
        raise SignInRefused(Refusal.TOKEN_MISSING)
    return token
