"""An OpenID Connect relying party: authorization code flow with PKCE."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc.jwk import Key

from services.gateway.identity.authentication import NO_CONTEXT, RequiredContext
from services.gateway.identity.errors import ProviderUnavailable, Refusal, SignInRefused, Unavailability
from services.gateway.identity.http import request_json
from services.gateway.identity.identity import Identity
from services.gateway.identity.oidc.claims import identity_of
from services.gateway.identity.oidc.discovery import DiscoveredProvider, OpenIdSettings, ProviderCache
from services.gateway.identity.oidc.logout_token import MAX_LOGOUT_TOKEN, logout_token_of
from services.gateway.identity.oidc.tokens import check_claims, verified_claims
from services.gateway.identity.oidc.userinfo import fetch_userinfo
from services.gateway.identity.provider import Attempt, IdentityProvider, SessionsEnded, SignOutForm

T = TypeVar("T")
_UNVERIFIED: Final = (Refusal.UNKNOWN_KEY, Refusal.BAD_SIGNATURE)


class OpenIdClient(IdentityProvider):
    def __init__(
        self, http: httpx.AsyncClient, settings: OpenIdSettings, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._http = http
        self._settings = settings
        self._provider = ProviderCache(http, settings, monotonic)

    async def sign_in_url(self, attempt: Attempt, context: RequiredContext = NO_CONTEXT) -> str:
        parameters = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": attempt.return_to,
            "scope": self._settings.scope,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": create_s256_code_challenge(attempt.verifier),
            "code_challenge_method": "S256",
            **context.parameters(),
        }
        url: str = add_params_to_uri((await self._provider.get()).endpoints["authorization_endpoint"], parameters)
        return url

    async def sign_out_form(self, back_to: str, state: str, id_token: str | None = None) -> SignOutForm | None:
        """By POST (RP-Initiated Logout 1.0 §2): the token names the person, which an address must not."""
        endpoint = (await self._provider.get()).endpoints.get("end_session_endpoint")
        if endpoint is None:
            return None
        fields = {"client_id": self._settings.client_id, "post_logout_redirect_uri": back_to, "state": state}
        return SignOutForm("post", endpoint, fields | ({} if id_token is None else {"id_token_hint": id_token}))

    async def identity(self, attempt: Attempt, answer: Mapping[str, str]) -> Identity | None:
        code = answer.get("code")
        return await self.exchange(code, attempt.verifier, attempt.nonce, attempt.return_to) if code else None

    async def exchange(self, code: str, code_verifier: str, nonce: str, redirect_uri: str) -> Identity:
        """Also raises `SignInRefused`."""
        provider = await self._provider.get()
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": code_verifier}
        tokens = await self._answer(provider, {**form, "redirect_uri": redirect_uri})
        token = _id_token_in(tokens)
        if token is None:
            raise SignInRefused(Refusal.TOKEN_MALFORMED)
        claims = await self._verified(token, provider, verified_claims)
        check_claims(claims, self._settings, nonce, datetime.now(UTC))
        return await self._identity(provider, claims, tokens)

    async def refresh(self, refresh_token: str, subject: str) -> Identity | None:
        """None if the answer has no ID token."""
        provider = await self._provider.get()
        answer = await self._answer(provider, {"grant_type": "refresh_token", "refresh_token": refresh_token})
        token = _id_token_in(answer)
        if token is None:
            return None
        try:
            claims = await self._verified(token, provider, verified_claims)
        except SignInRefused as refused:
            # The provider did answer, so the sign-in goes on there; its keys are being replaced.
            if refused.reason in _UNVERIFIED:
                raise ProviderUnavailable(Unavailability.UNVERIFIED) from None
            raise
        check_claims(claims, self._settings, None, datetime.now(UTC))
        if claims["sub"] != subject:
            raise SignInRefused(Refusal.WRONG_SUBJECT)
        return await self._identity(provider, claims, answer)

    async def sessions_ended(self, message: Mapping[str, str]) -> SessionsEnded:
        """By a logout token (Back-Channel Logout 1.0)."""
        token = message.get("logout_token", "")
        if not token.isascii() or len(token) > MAX_LOGOUT_TOKEN:
            raise SignInRefused(Refusal.TOKEN_MALFORMED)
        provider, now = await self._provider.get(), datetime.now(UTC)
        return await self._verified(
            token, provider, lambda signed, keys: logout_token_of(signed, keys, self._settings, now)
        )

    async def _identity(
        self, provider: DiscoveredProvider, claims: Mapping[str, Any], answer: Mapping[str, Any]
    ) -> Identity:
        userinfo: dict[str, Any] = {}
        if self._settings.userinfo:
            endpoint, timeout_s = provider.endpoints["userinfo_endpoint"], self._settings.timeout_s
            access_token = answer.get("access_token")
            userinfo = await fetch_userinfo(self._http, endpoint, access_token, claims["sub"], timeout_s)
        return identity_of(claims, self._settings, userinfo, answer)

    async def _verified(self, token: str, provider: DiscoveredProvider, read: Callable[[str, Sequence[Key]], T]) -> T:
        try:
            return read(token, provider.keys)
        except SignInRefused as refused:
            # A new key may have a new name, its predecessor's, or none.
            if refused.reason not in _UNVERIFIED:
                raise
        return read(token, (await self._provider.get(newer_than=provider)).keys)

    async def _answer(self, provider: DiscoveredProvider, form: dict[str, str]) -> dict[str, Any]:
        """Of the token endpoint."""
        auth: httpx.BasicAuth | None = None
        client_id, secret = self._settings.client_id, self._settings.secret()
        if self._settings.client_authentication == "client_secret_basic" and secret is not None:
            # Both are encoded before they are joined (RFC 6749 §2.3.1), which Authlib's client does not do.
            auth = httpx.BasicAuth(quote(client_id, safe=""), quote(secret, safe=""))
        else:
            form |= {"client_id": client_id} | ({} if secret is None else {"client_secret": secret})
        timeout_s = self._settings.timeout_s
        endpoint = provider.endpoints["token_endpoint"]
        return _granted(*await request_json(self._http, "POST", endpoint, timeout_s, data=form, auth=auth))


def _granted(status: int, answer: dict[str, Any]) -> dict[str, Any]:
    error = answer.get("error")
    if error in ("invalid_client", "unauthorized_client") or (status in (401, 403) and error != "invalid_grant"):
        raise ProviderUnavailable(Unavailability.CLIENT_REJECTED)
    if error == "invalid_grant" or status == 400:
        raise SignInRefused(Refusal.CODE_REFUSED)
    if status != 200:
        raise ProviderUnavailable(Unavailability.BAD_STATUS)
    return answer


def _id_token_in(answer: Mapping[str, Any]) -> str | None:
    token = answer.get("id_token")
    if token is not None and not (isinstance(token, str) and token.isascii()):
        raise SignInRefused(Refusal.TOKEN_MALFORMED)
    return token
