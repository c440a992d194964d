"""Authlib's authorization server with only code flow, PKCE (S256) and ID tokens."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import time
from typing import Any

from authlib.oauth2.rfc6749 import (
    AuthorizationCodeGrant,
    AuthorizationServer,
    InvalidRequestError,
    OAuth2Request,
    RefreshTokenGrant,
)
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9101.errors import RequestNotSupportedError, RequestUriNotSupportedError
from authlib.oidc.core import OpenIDCode
from authlib.oidc.core.models import AuthorizationCodeMixin
from authlib.oidc.rpinitiated import EndSessionEndpoint
from fastapi import Response
from fastapi.responses import JSONResponse, RedirectResponse
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from deploy.local.identity.people import Person
from deploy.local.identity.settings import Client

CODE_LIFETIME_S = 60
ID_TOKEN_LIFETIME_S = 300
LOGOUT_TOKEN_LIFETIME_S = 120
MAX_SIGNED_IN = 10_000
BACKCHANNEL_LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


class ProviderRequest(OAuth2Request):  # type: ignore[misc]
    """As Authlib reads it: decoded parameters and Authorization header."""

    def __init__(self, method: str, uri: str, parameters: dict[str, str], headers: Any) -> None:
        super().__init__(method, uri, headers=headers)
        self.payload = BasicOAuth2Payload(parameters)

    @property
    def form(self) -> dict[str, str]:
        parameters: dict[str, str] = self.payload.data
        return parameters


@dataclass(frozen=True)
class AuthorizationCode(AuthorizationCodeMixin):  # type: ignore[misc]
    """Stands for the request it answers; `request.user` has signed in."""

    request: ProviderRequest
    auth_time_s: int
    code_challenge_method = "S256"

    @property
    def code_challenge(self) -> Any:
        return self.request.form["code_challenge"]

    def get_redirect_uri(self) -> Any:
        return self.request.form["redirect_uri"]

    def get_scope(self) -> Any:
        return self.request.scope

    def get_nonce(self) -> Any:
        return self.request.form.get("nonce")

    def get_auth_time(self) -> int:
        return self.auth_time_s


class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    """Any attempt to redeem a code spends it."""

    def save_authorization_code(self, code: str, request: ProviderRequest) -> None:
        now_s = int(time())
        self.server.codes = {known: of for known, of in self.server.codes.items() if _live(of, now_s)}
        self.server.codes[code] = AuthorizationCode(request, now_s)

    def query_authorization_code(self, code: str, client: Client) -> AuthorizationCode | None:
        found: AuthorizationCode | None = self.server.codes.pop(code, None)
        return found if found and found.request.client is client and _live(found, time()) else None

    def delete_authorization_code(self, authorization_code: AuthorizationCode) -> None:
        """Done by `query_authorization_code`."""

    def authenticate_user(self, authorization_code: AuthorizationCode) -> Any:
        return authorization_code.request.user


def _live(code: AuthorizationCode, now_s: float) -> bool:
    return now_s < code.auth_time_s + CODE_LIFETIME_S


class RefreshGrant(RefreshTokenGrant):  # type: ignore[misc]
    """Each refresh token once; of somebody who is signed out, none."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> "SignedIn | None":
        found: SignedIn | None = self.server.signed_in.get(refresh_token)
        return found

    def authenticate_user(self, refresh_token: "SignedIn") -> Person:
        return self.server.people[refresh_token.sub]  # type: ignore[no-any-return]

    def revoke_old_credential(self, refresh_token: "SignedIn") -> None:
        self.server.forget(lambda one: one is refresh_token)


@dataclass(frozen=True)
class SignedIn:
    """What a refresh token stands for."""

    sub: str
    client: Client
    scope: str

    def check_client(self, client: Client) -> bool:
        return client is self.client

    def get_scope(self) -> str:
        return self.scope


class RequiredCodeChallenge(CodeChallenge):  # type: ignore[misc]
    """For confidential clients too; and refusals that Authlib leaves to the application."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: CodeGrant, redirect_uri: str) -> None:
        data = grant.request.payload.data
        if "request" in data:
            raise RequestNotSupportedError
        if "request_uri" in data:
            raise RequestUriNotSupportedError
        if data.get("response_mode", "query") != "query":
            raise InvalidRequestError("response_mode must be query")
        if not data.get("code_challenge") or not data.get("code_challenge_method"):
            raise InvalidRequestError("PKCE with S256 is required")
        super().validate_code_challenge(grant, redirect_uri)


class IdTokens(OpenIDCode):  # type: ignore[misc]
    """`student_id` only for students, `roles` only for staff."""

    def __init__(self, issuer: str, keys: KeySet) -> None:
        super().__init__()
        self._issuer = issuer
        self._keys = keys

    def exists_nonce(self, nonce: str, request: ProviderRequest) -> bool:
        return False

    def resolve_client_private_key(self, client: Client) -> KeySet:
        return self._keys

    def get_client_claims(self, client: Client) -> dict[str, Any]:
        return {"iss": self._issuer, "aud": client.client_id, "exp": int(time()) + ID_TOKEN_LIFETIME_S}

    def generate_user_info(self, user: Person, scope: str) -> dict[str, Any]:
        claims = {"sub": user.sub, "name": user.name, "student_id": user.student_id, "roles": list(user.roles)}
        return {name: value for name, value in claims.items() if value}


class RefreshedIdTokens(IdTokens):
    """Without nonce and `auth_time` (OpenID Connect Core §12.2)."""

    def __call__(self, grant: RefreshGrant) -> None:
        grant.register_hook("after_create_token_response", self.process_token)


class EndSession(EndSessionEndpoint):  # type: ignore[misc]
    """The provider keeps no session: it only redirects to a registered address."""

    def get_server_jwks(self) -> KeySet:
        keys: KeySet = self.server.keys
        return keys

    def is_post_logout_redirect_uri_legitimate(self, *_: Any) -> bool:
        return True

    def end_session(self, end_session_request: Any) -> None:
        pass


class Server(AuthorizationServer):  # type: ignore[misc]
    def __init__(self, issuer: str, people: Sequence[Person], clients: Sequence[Client]) -> None:
        super().__init__()
        self.people = {person.sub: person for person in people}
        self.clients = {client.client_id: client for client in clients}
        self.codes: dict[str, AuthorizationCode] = {}
        self.signed_in: dict[str, SignedIn] = {}
        """By refresh token."""
        self.issuer = issuer
        # The key id is the thumbprint: a restart never gives an old id to a new key.
        self.keys = KeySet([RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)])
        # OAuth wants an access token; here it opens nothing.
        self.register_token_generator(
            "default",
            BearerTokenGenerator(
                lambda **_: secrets.token_urlsafe(32),
                refresh_token_generator=lambda **_: secrets.token_urlsafe(32),
                expires_generator=ID_TOKEN_LIFETIME_S,
            ),
        )
        self.register_grant(RefreshGrant, [RefreshedIdTokens(issuer, self.keys)])
        self.register_grant(CodeGrant, [RequiredCodeChallenge(), IdTokens(issuer, self.keys)])
        self.register_endpoint(EndSession)

    def query_client(self, client_id: str) -> Client | None:
        return self.clients.get(client_id)

    def save_token(self, token: dict[str, Any], request: ProviderRequest) -> None:
        if len(self.signed_in) >= MAX_SIGNED_IN:
            self.signed_in.pop(next(iter(self.signed_in)))
        if "refresh_token" in token:
            self.signed_in[token["refresh_token"]] = SignedIn(request.user.sub, request.client, token["scope"])

    def forget(self, chosen: Callable[[SignedIn], bool]) -> None:
        self.signed_in = {token: one for token, one in self.signed_in.items() if not chosen(one)}

    def logout_token(self, client: Client, person: Person) -> str:
        """OpenID Connect Back-Channel Logout 1.0 §2.4."""
        now_s = int(time())
        claims = {
            "iss": self.issuer,
            "aud": client.client_id,
            "iat": now_s,
            "exp": now_s + LOGOUT_TOKEN_LIFETIME_S,
            "jti": secrets.token_urlsafe(16),
            "sub": person.sub,
            "events": {BACKCHANNEL_LOGOUT: {}},
        }
        key = self.keys.keys[0]
        return jwt.encode({"alg": "RS256", "kid": key.kid, "typ": "logout+jwt"}, claims, key, ["RS256"])

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        pass

    def create_oauth2_request(self, request: ProviderRequest) -> ProviderRequest:
        return request

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Response:
        if status == 302:  # a browser must not repeat its POST at the client
            return RedirectResponse(dict(headers)["Location"], 303)
        return JSONResponse(body, status, dict(headers))


def discovery_document(issuer: str) -> dict[str, Any]:
    """OpenID Connect Discovery 1.0 §3."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/jwks",
        "end_session_endpoint": f"{issuer}/logout",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": False,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "scopes_supported": ["openid", "profile"],
        "claims_supported": ["iss", "sub", "aud", "iat", "exp", "auth_time", "nonce", "name", "student_id", "roles"],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }
