"""OpenID Connect's authorization code flow with PKCE as pure functions: what a request means, what a token claims."""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from deploy.local.identity.codes import Grant
from deploy.local.identity.people import Person
from deploy.local.identity.settings import Client

ID_TOKEN_LIFETIME_S = 300
VALUE_LENGTH_MAX = 1024
REQUEST_FIELDS = (
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
)
_S256_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True)
class AuthorizationRequest:
    """A request that may be answered with a code. `fields` is what the page sends back with the choice."""

    client_id: str
    redirect_uri: str
    state: str | None
    nonce: str | None
    code_challenge: str
    fields: Mapping[str, str]


class RefusedOnPage(Exception):
    """The request names no client or address that can be trusted, so nobody is sent anywhere (RFC 6749 §4.1.2.1)."""


class RefusedToClient(Exception):
    """The client is known and is told; `location` is where the browser goes."""

    def __init__(self, location: str) -> None:
        super().__init__("the authorization request was refused")
        self.location = location


def read_authorization(pairs: Sequence[tuple[str, str]], clients: Mapping[str, Client]) -> AuthorizationRequest:
    """Accept or refuse an authorization request, given as its decoded parameters.

    Raises `RefusedOnPage` or `RefusedToClient`. PKCE with S256 is required of every client.
    """
    given = _single_values(pairs)
    client = clients.get(given.get("client_id", ""))
    if client is None:
        raise RefusedOnPage("unknown client_id")
    redirect_uri = given.get("redirect_uri", "")
    if redirect_uri not in client.redirect_uris:
        raise RefusedOnPage("redirect_uri is not registered for this client")
    if error := _error_in(given):
        raise RefusedToClient(redirect_to(redirect_uri, error=error, state=given.get("state")))
    return AuthorizationRequest(
        client_id=client.client_id,
        redirect_uri=redirect_uri,
        state=given.get("state"),
        nonce=given.get("nonce"),
        code_challenge=given["code_challenge"],
        fields={name: given[name] for name in REQUEST_FIELDS if name in given},
    )


def _single_values(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in given:
            raise RefusedOnPage("a parameter is given twice")
        if len(value) > VALUE_LENGTH_MAX:
            raise RefusedOnPage("a parameter is too long")
        given[name] = value
    return given


def _error_in(given: Mapping[str, str]) -> str | None:
    """The OAuth error code of the first thing wrong, or None."""
    if "request" in given:
        return "request_not_supported"
    if "request_uri" in given:
        return "request_uri_not_supported"
    if given.get("response_type") != "code":
        return "unsupported_response_type"
    if "openid" not in given.get("scope", "").split(" "):
        return "invalid_scope"
    if given.get("code_challenge_method") != "S256" or not _S256_CHALLENGE.fullmatch(given.get("code_challenge", "")):
        return "invalid_request"
    if given.get("response_mode", "query") != "query":
        return "invalid_request"
    # Every request is a fresh sign-in: no session is kept, so nothing can be answered without asking.
    return "login_required" if given.get("prompt") == "none" else None


def redirect_to(address: str, **parameters: str | None) -> str:
    """`address` with the given parameters appended, those that are None left out."""
    query = urlencode({name: value for name, value in parameters.items() if value is not None})
    if not query:
        return address
    return f"{address}{'&' if '?' in address else '?'}{query}"


def token_error(grant: Grant | None, client_id: str, redirect_uri: str, code_verifier: str) -> str | None:
    """`invalid_grant` unless the code is live, of this client, for this address, and the verifier fits."""
    if grant is None or grant.client_id != client_id or grant.redirect_uri != redirect_uri:
        return "invalid_grant"
    return None if verifier_fits(code_verifier, grant.code_challenge) else "invalid_grant"


def verifier_fits(code_verifier: str, code_challenge: str) -> bool:
    """RFC 7636 §4.6, method S256."""
    if not _VERIFIER.fullmatch(code_verifier):
        return False
    digest = hashlib.sha256(code_verifier.encode("ascii")).digest()
    return hmac.compare_digest(urlsafe_b64encode(digest).rstrip(b"="), code_challenge.encode("ascii"))


def id_token_claims(person: Person, grant: Grant, issuer: str, now_s: int) -> dict[str, Any]:
    """The claims of an ID token; `student_id` only for students, `roles` only for staff."""
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": person.sub,
        "aud": grant.client_id,
        "iat": now_s,
        "exp": now_s + ID_TOKEN_LIFETIME_S,
        "auth_time": grant.signed_in_at_s,
        "name": person.name,
    }
    if grant.nonce is not None:
        claims["nonce"] = grant.nonce
    if person.student_id is not None:
        claims["student_id"] = person.student_id
    if person.roles:
        claims["roles"] = list(person.roles)
    return claims


def discovery_document(issuer: str) -> dict[str, Any]:
    """OpenID Connect Discovery 1.0 §3, saying no more than what is there."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/jwks",
        "end_session_endpoint": f"{issuer}/logout",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
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
