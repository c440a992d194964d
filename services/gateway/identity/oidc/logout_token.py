"""Logout tokens (OpenID Connect Back-Channel Logout 1.0 §2.4 and §2.6): the signature as of an ID token."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from joserfc.errors import ClaimError, JoseError
from joserfc.jwk import Key
from joserfc.jwt import JWTClaimsRegistry

from services.gateway.identity.authentication import LEEWAY_S
from services.gateway.identity.errors import Refusal, SignInRefused
from services.gateway.identity.oidc.discovery import OpenIdSettings
from services.gateway.identity.oidc.tokens import signed_claims
from services.gateway.identity.provider import SessionsEnded

EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
MAX_AGE_S: Final = 300
"""Of a token; its id is known at least that long, so that none is taken twice."""
_TYPES: Final = ("JWT", "LOGOUT+JWT", "APPLICATION/LOGOUT+JWT")
MAX_LOGOUT_TOKEN: Final = 32_768
_MAX_TEXT: Final = 255
_REFUSALS: Final = {
    "iss": Refusal.WRONG_ISSUER,
    "aud": Refusal.WRONG_AUDIENCE,
    "exp": Refusal.EXPIRED,
    "iat": Refusal.NOT_YET_VALID,
    "nbf": Refusal.NOT_YET_VALID,
}


def logout_token_of(token: str, keys: Sequence[Key], settings: OpenIdSettings, now: datetime) -> SessionsEnded:
    """Raises `SignInRefused`. Whether it was taken before is for a table to say."""
    header, claims = signed_claims(token, keys)
    if header.get("typ", "JWT").upper() not in _TYPES:
        raise SignInRefused(Refusal.WRONG_TYPE)
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise SignInRefused(Refusal.WRONG_TYPE)
    # An ID token must never do.
    if "nonce" in claims:
        raise SignInRefused(Refusal.WRONG_NONCE)
    _check(claims, settings, now)
    subject, sid, token_id = (_text(claims.get(name)) for name in ("sub", "sid", "jti"))
    if token_id is None or (subject is None and sid is None):
        raise SignInRefused(Refusal.CLAIM_MALFORMED)
    valid_until = now + timedelta(seconds=MAX_AGE_S + 2 * LEEWAY_S)
    return SessionsEnded(settings.issuer, subject, sid, token_id, valid_until.astimezone(UTC))


def _check(claims: dict[str, Any], settings: OpenIdSettings, now: datetime) -> None:
    now_s = int(now.timestamp())
    registry = JWTClaimsRegistry(
        now=now_s,
        leeway=LEEWAY_S,
        iss={"essential": True, "value": settings.issuer},
        aud={"essential": True, "value": settings.client_id},
        iat={"essential": True},
    )
    try:
        registry.validate(claims)
    except ClaimError as error:
        raise SignInRefused(_REFUSALS.get(error.claim, Refusal.CLAIM_MALFORMED)) from None
    except (JoseError, ValueError, TypeError):
        raise SignInRefused(Refusal.CLAIM_MALFORMED) from None
    # Also one without `exp`, which drafts of the specification did not ask for.
    if claims["iat"] < now_s - MAX_AGE_S - LEEWAY_S:
        raise SignInRefused(Refusal.EXPIRED)


def _text(value: Any) -> str | None:
    """Raises `SignInRefused` for what cannot be one of ours."""
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT or not value.isprintable():
        raise SignInRefused(Refusal.CLAIM_MALFORMED)
    return value
