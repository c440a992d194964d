"""Who signed in, by the claims."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from services.gateway.identity.errors import Refusal, SignInRefused
from services.gateway.identity.identity import Identity
from services.gateway.identity.oidc.discovery import OpenIdSettings


def identity_of(
    claims: Mapping[str, Any], settings: OpenIdSettings, userinfo: Mapping[str, Any], answer: Mapping[str, Any]
) -> Identity:
    """`userinfo` adds what the checked claims lack; `answer` is the token endpoint's. Raises `SignInRefused`."""

    def found(name: str) -> Any:
        value = _claim(claims, name)
        return _claim(userinfo, name) if value in (None, "", []) else value

    try:
        return Identity(
            issuer=claims["iss"],
            subject=claims["sub"],
            student_ids=found(settings.student_id_claim),
            name=found("name"),
            roles=found(settings.roles_claim),
            authenticated_at=datetime.fromtimestamp(claims.get("auth_time") or claims["iat"], UTC),
            auth_time=datetime.fromtimestamp(claims["auth_time"], UTC) if claims.get("auth_time") else None,
            acr=claims.get("acr"),
            sid=claims.get("sid"),
            refresh_token=answer.get("refresh_token"),
            id_token=answer.get("id_token"),
        )
    except (ValueError, OverflowError, OSError):  # pydantic's, and of an instant beyond the calendar
        raise SignInRefused(Refusal.CLAIM_MALFORMED) from None


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """By name, or else by a path with dots (`realm_access.roles`)."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
