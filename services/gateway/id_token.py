"""When the claims of an ID token sign somebody in (OpenID Connect Core 1.0 §3.1.3.7, RFC 7519). Pure."""

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeGuard

from services.gateway.refusals import Refusal, SignInRefused

LEEWAY_S: Final = 60
_INSTANT_MAX_S: Final = 253_402_300_799  # the end of year 9999, the last that a datetime can hold
_SUBJECT_CHARACTERS_MAX: Final = 255
_CLAIM_CHARACTERS_MAX: Final = 200
_ROLES_MAX: Final = 200


@dataclass(frozen=True)
class Identity:
    """Who signed in. A person is (`issuer`, `subject`): the same subject of two issuers is two people.

    What names a person is left out of the representation, so that it does not reach a log by accident.
    """

    issuer: str
    subject: str = field(repr=False)
    student_id: str | None = field(repr=False)
    name: str | None = field(repr=False)
    roles: frozenset[str]
    authenticated_at: datetime
    acr: str | None


@dataclass(frozen=True)
class Expected:
    """What one sign-in expects of its token. An empty `accepted_acrs` accepts any, also none."""

    issuer: str
    client_id: str
    nonce: str = field(repr=False)
    max_age_s: int | None = None
    student_id_claim: str = "student_id"
    roles_claim: str = "roles"
    accepted_acrs: frozenset[str] = frozenset()


def identity_of(claims: Mapping[str, Any], expected: Expected, now: datetime) -> Identity:
    """Check every claim against what this sign-in expects and return who it is. Raises `SignInRefused`."""
    now_s = now.timestamp()
    if claims.get("iss") != expected.issuer:
        raise SignInRefused(Refusal.WRONG_ISSUER)
    _check_audience(claims, expected.client_id)
    if "events" in claims:
        raise SignInRefused(Refusal.WRONG_TYPE)
    issued_at_s = _check_lifetime(claims, now_s)
    nonce = claims.get("nonce")
    if nonce != expected.nonce:
        raise SignInRefused(Refusal.WRONG_NONCE)
    subject = claims.get("sub")
    if not _is_plain(subject, _SUBJECT_CHARACTERS_MAX) or not subject:
        raise SignInRefused(Refusal.SUBJECT_MISSING)
    acr = _text(claims.get("acr"))
    if expected.accepted_acrs and acr not in expected.accepted_acrs:
        raise SignInRefused(Refusal.ACR_NOT_ACCEPTED)
    return Identity(
        issuer=expected.issuer,
        subject=subject,
        student_id=_text(_claim(claims, expected.student_id_claim)),
        name=_text(claims.get("name")),
        roles=_roles(_claim(claims, expected.roles_claim)),
        authenticated_at=_authenticated_at(claims, issued_at_s, expected.max_age_s, now_s),
        acr=acr,
    )


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or client_id not in audiences:
        raise SignInRefused(Refusal.WRONG_AUDIENCE)
    authorized_party = claims.get("azp", None if len(audiences) > 1 else client_id)
    if authorized_party != client_id:
        raise SignInRefused(Refusal.WRONG_AUTHORIZED_PARTY)


def _check_lifetime(claims: Mapping[str, Any], now_s: float) -> float:
    expires_at_s, issued_at_s = _instant(claims, "exp"), _instant(claims, "iat")
    if expires_at_s is None or issued_at_s is None:
        raise SignInRefused(Refusal.CLAIM_MALFORMED)
    if now_s >= expires_at_s + LEEWAY_S:
        raise SignInRefused(Refusal.EXPIRED)
    if max(issued_at_s, _instant(claims, "nbf") or 0.0) > now_s + LEEWAY_S:
        raise SignInRefused(Refusal.NOT_YET_VALID)
    return issued_at_s


def _authenticated_at(claims: Mapping[str, Any], issued_at_s: float, max_age_s: int | None, now_s: float) -> datetime:
    authenticated_at_s = _instant(claims, "auth_time")
    if authenticated_at_s is not None and authenticated_at_s > now_s + LEEWAY_S:
        raise SignInRefused(Refusal.NOT_YET_VALID)
    if max_age_s is not None and (authenticated_at_s is None or now_s - authenticated_at_s > max_age_s + LEEWAY_S):
        raise SignInRefused(Refusal.AUTHENTICATION_TOO_OLD)
    return datetime.fromtimestamp(issued_at_s if authenticated_at_s is None else authenticated_at_s, UTC)


def _instant(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate, or None when the claim is not there; one that is no instant is refused."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SignInRefused(Refusal.CLAIM_MALFORMED)
    if not math.isfinite(value) or not 0 <= value <= _INSTANT_MAX_S:
        raise SignInRefused(Refusal.CLAIM_MALFORMED)
    return float(value)


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or else by a path with dots into nested ones (`realm_access.roles`)."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _text(value: Any) -> str | None:
    """One text or none. A list of one is that one: some providers send every attribute as a list."""
    if isinstance(value, list) and len(value) <= 1:
        value = value[0] if value else None
    if value is None or value == "":
        return None
    if not _is_plain(value, _CLAIM_CHARACTERS_MAX):
        raise SignInRefused(Refusal.CLAIM_MALFORMED)
    return value


def _roles(value: Any) -> frozenset[str]:
    roles = value if isinstance(value, list) else [] if value is None else [value]
    if len(roles) > _ROLES_MAX or not all(_is_plain(role, _CLAIM_CHARACTERS_MAX) for role in roles):
        raise SignInRefused(Refusal.CLAIM_MALFORMED)
    return frozenset(roles)


def _is_plain(value: Any, characters_max: int) -> TypeGuard[str]:
    """A bounded text that a database and a page can hold: no control characters, no lone surrogates."""
    if not isinstance(value, str) or len(value) > characters_max:
        return False
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in value)
