"""An OpenID Connect relying party: authorization code flow with PKCE."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from services.gateway.oidc.errors import ProviderUnavailable, Refusal, SignInRefused, Unavailability
from services.gateway.oidc.identity import Identity, identity_of
from services.gateway.oidc.provider import DiscoveredProvider, OpenIdSettings, ProviderCache, request_json
from services.gateway.oidc.tokens import check_claims, verified_claims
from services.gateway.oidc.userinfo import fetch_userinfo


class OpenIdClient:
    """One per process, for concurrent requests. Methods raise `ProviderUnavailable`."""

    def __init__(
        self, http: httpx.AsyncClient, settings: OpenIdSettings, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._http = http
        self._settings = settings
        self._provider = ProviderCache(http, settings, monotonic)

    async def authorization_url(self, state: str, nonce: str, code_verifier: str, redirect_uri: str) -> str:
        parameters = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": self._settings.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": create_s256_code_challenge(code_verifier),
            "code_challenge_method": "S256",
        }
        url: str = add_params_to_uri((await self._provider.get()).endpoints["authorization_endpoint"], parameters)
        return url

    async def logout_url(self, post_logout_redirect_uri: str) -> str | None:
        """None if the provider has no sign-out endpoint."""
        endpoint = (await self._provider.get()).endpoints.get("end_session_endpoint")
        parameters = {"client_id": self._settings.client_id, "post_logout_redirect_uri": post_logout_redirect_uri}
        return endpoint and add_params_to_uri(endpoint, parameters)

    async def exchange(self, code: str, code_verifier: str, nonce: str, redirect_uri: str) -> Identity:
        """The caller has checked `state`. Also raises `SignInRefused`."""
        provider = await self._provider.get()
        endpoint = provider.endpoints["token_endpoint"]
        token, access_token = await self._redeem(endpoint, code, code_verifier, redirect_uri)
        claims = await self._verified_claims(token, provider)
        check_claims(claims, self._settings, nonce, datetime.now(UTC))
        userinfo: dict[str, Any] = {}
        if self._settings.userinfo:
            endpoint = provider.endpoints["userinfo_endpoint"]
            timeout_s = self._settings.timeout_s
            userinfo = await fetch_userinfo(self._http, endpoint, access_token, claims["sub"], timeout_s)
        return identity_of(claims, self._settings, userinfo)

    async def _verified_claims(self, token: str, provider: DiscoveredProvider) -> dict[str, Any]:
        try:
            return verified_claims(token, provider.keys)
        except SignInRefused as refused:
            # A new key may have a new name, its predecessor's, or none.
            if refused.reason not in (Refusal.UNKNOWN_KEY, Refusal.BAD_SIGNATURE):
                raise
        return verified_claims(token, (await self._provider.get(newer_than=provider)).keys)

    async def _redeem(self, endpoint: str, code: str, code_verifier: str, redirect_uri: str) -> tuple[str, object]:
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": code_verifier}
        form["redirect_uri"] = redirect_uri
        auth: httpx.BasicAuth | None = None
        client_id, secret = self._settings.client_id, self._settings.client_secret
        if self._settings.client_authentication == "client_secret_basic" and secret is not None:
            # Both are encoded before they are joined (RFC 6749 §2.3.1), which Authlib's client does not do.
            auth = httpx.BasicAuth(quote(client_id, safe=""), quote(secret, safe=""))
        else:
            form |= {"client_id": client_id} | ({} if secret is None else {"client_secret": secret})
        timeout_s = self._settings.timeout_s
        return _tokens_in(*await request_json(self._http, "POST", endpoint, timeout_s, data=form, auth=auth))


def _tokens_in(status: int, answer: dict[str, Any]) -> tuple[str, object]:
    """The ID token and the access token."""
    error = answer.get("error")
    if error in ("invalid_client", "unauthorized_client") or (status in (401, 403) and error != "invalid_grant"):
        raise ProviderUnavailable(Unavailability.CLIENT_REJECTED)
    if error == "invalid_grant" or status == 400:
        raise SignInRefused(Refusal.CODE_REFUSED)
    if status != 200:
        raise ProviderUnavailable(Unavailability.BAD_STATUS)
    token = answer.get("id_token")
    if not isinstance(token, str) or not token.isascii():
        raise SignInRefused(Refusal.TOKEN_MALFORMED)
    return token, answer.get("access_token")
