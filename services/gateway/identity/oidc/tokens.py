"""ID tokens: the signature by joserfc, the claims by Authlib, and the rest of OpenID Connect Core §3.1.3.7."""

import json
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from authlib.oidc.core import CodeIDToken
from joserfc import jws
from joserfc.errors import ClaimError, JoseError, SecurityWarning
from joserfc.jwk import Key
from joserfc.jws import JWSRegistry

from services.gateway.identity.authentication import LEEWAY_S
from services.gateway.identity.errors import Refusal, SignInRefused
from services.gateway.identity.oidc.discovery import OpenIdSettings

MAX_HEADER_BYTES: Final = 16_384
"""Encoded. Some providers send certificates (`x5c`), which nothing reads; joserfc's own bound is 512."""
# Asymmetric ones only: with HS256 or `none` anyone could sign.
_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_ALGORITHMS: Final = (*_RSA, "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
_REGISTRY: Final = JWSRegistry(algorithms=_ALGORITHMS, strict_check_header=False)
_REGISTRY.max_header_length = MAX_HEADER_BYTES
_TOKEN_REFUSALS: Final = {  # by joserfc's name of the error
    "missing_algorithm": Refusal.ALGORITHM_NOT_ALLOWED,
    "unsupported_algorithm": Refusal.ALGORITHM_NOT_ALLOWED,
}
_CLAIM_REFUSALS: Final = {
    "iss": Refusal.WRONG_ISSUER,
    "aud": Refusal.WRONG_AUDIENCE,
    "azp": Refusal.WRONG_AUTHORIZED_PARTY,
    "nonce": Refusal.WRONG_NONCE,
    "exp": Refusal.EXPIRED,
    "iat": Refusal.NOT_YET_VALID,
    "nbf": Refusal.NOT_YET_VALID,
}


def verified_claims(token: str, keys: Sequence[Key]) -> dict[str, Any]:
    """Of an ID token. Raises `SignInRefused` unless one of `keys` has signed."""
    header, claims = signed_claims(token, keys)
    # An access token or a logout token signed by the same key is not an ID token (RFC 8725 §3.11).
    if header.get("typ", "JWT").upper() != "JWT" or "events" in claims:
        raise SignInRefused(Refusal.WRONG_TYPE)
    return claims


def signed_claims(token: str, keys: Sequence[Key]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the claims. Raises `SignInRefused` unless one of `keys` has signed."""
    try:
        with warnings.catch_warnings(action="ignore", category=SecurityWarning):  # of the old name EdDSA
            message = jws.extract_compact(token.encode(), registry=_REGISTRY)
            header = message.headers()
            _REGISTRY.check_header(header)
            _REGISTRY.get_alg(header["alg"])
            candidates = _candidates(header, keys)
            signed = any(jws.validate_compact(message, key, registry=_REGISTRY) for key in candidates)
        claims = json.loads(message.payload)
    except JoseError as error:
        raise SignInRefused(_TOKEN_REFUSALS.get(error.error, Refusal.TOKEN_MALFORMED)) from None
    except (ValueError, TypeError, AttributeError, RecursionError):  # of a header that is no object of texts
        raise SignInRefused(Refusal.TOKEN_MALFORMED) from None
    if not signed:
        raise SignInRefused(Refusal.BAD_SIGNATURE if candidates else Refusal.UNKNOWN_KEY)
    if "crit" in header or not isinstance(claims, dict):
        raise SignInRefused(Refusal.TOKEN_MALFORMED)
    return dict(header), claims


def _candidates(header: Mapping[str, Any], keys: Sequence[Key]) -> list[Key]:
    """Of the token's `kid`, else unnamed, never of another name (RFC 7515 appendix D).

    A token that names none must leave no choice (OpenID Connect Core §10.1).
    """
    fitting = [key for key in keys if JWSRegistry.filter_algorithms(key, [header["alg"]])]
    key_id = header.get("kid")
    if key_id is None:
        return fitting if len(fitting) == 1 else []
    return [key for key in fitting if key.kid == key_id] or [key for key in fitting if key.kid is None]


def check_claims(claims: Mapping[str, Any], settings: OpenIdSettings, nonce: str | None, now: datetime) -> None:
    """`nonce`: None for the token of a refresh, which has none. Raises `SignInRefused`."""
    expected = {"iss": settings.issuer, "aud": settings.client_id, **({} if nonce is None else {"nonce": nonce})}
    options = {name: {"essential": True, "value": value} for name, value in expected.items()}
    parameters = {"client_id": settings.client_id, "nonce": nonce}
    try:
        CodeIDToken(dict(claims), {}, options, parameters).validate(now.timestamp(), LEEWAY_S)
    except ClaimError as error:
        raise SignInRefused(_CLAIM_REFUSALS.get(error.claim, Refusal.CLAIM_MALFORMED)) from None
    # Authlib leaves this one out.
    if (claims.get("auth_time") or 0) > now.timestamp() + LEEWAY_S:
        raise SignInRefused(Refusal.NOT_YET_VALID)
