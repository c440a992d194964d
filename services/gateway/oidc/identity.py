"""Who signed in, by the claims."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from services.gateway.oidc.errors import Refusal, SignInRefused
from services.gateway.oidc.provider import OpenIdSettings
from services.kit.student_numbers import student_number

MAX_STUDENT_IDS: Final = 20
MAX_REFRESH_TOKEN: Final = 16_384


def _one_text(value: Any) -> Any:
    """The one of a list: some providers send every attribute so. Empty is absent."""
    if isinstance(value, list) and len(value) <= 1:
        value = value[0] if value else None
    return None if value == "" else value


def _refresh_token(value: Any) -> Any:
    """One that cannot be one is as none."""
    return value if isinstance(value, str) and 0 < len(value) <= MAX_REFRESH_TOKEN and value.isascii() else None


def _list(value: Any) -> Any:
    return [] if value is None else [value] if isinstance(value, str) else value


def _student_ids(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list | tuple) else [] if value is None else [value]
    if len(values) > MAX_STUDENT_IDS or any(type(one) not in (str, int) for one in values):
        raise ValueError("a student number is a text or a whole number")
    spelled = (student_number(str(one)) for one in values)
    return tuple(dict.fromkeys(student_id for student_id in spelled if student_id is not None))


# What a database and a page can hold. pydantic itself refuses lone surrogates.
_Text = Annotated[str, StringConstraints(strict=True, max_length=255, pattern=r"^\P{Cc}*$")]
_OneText = Annotated[_Text | None, BeforeValidator(_one_text), Field(repr=False)]


class Identity(BaseModel):
    """A person is (`issuer`, `subject`). `student_ids` are canonical, old ones too.

    Nothing that names a person is in the representation, and so in logs.
    """

    model_config = ConfigDict(frozen=True)

    issuer: str
    subject: Annotated[_Text, Field(min_length=1, repr=False)]
    student_ids: Annotated[tuple[str, ...], BeforeValidator(_student_ids), Field(repr=False)]
    name: _OneText
    roles: Annotated[frozenset[_Text], BeforeValidator(_list), Field(max_length=200)]
    authenticated_at: datetime
    """Of the token, if the provider does not say when (`auth_time`)."""
    auth_time: datetime | None = None
    acr: _OneText = None
    sid: _OneText = None
    """Of the session at the provider."""
    refresh_token: Annotated[str | None, BeforeValidator(_refresh_token), Field(repr=False)] = None


def identity_of(
    claims: Mapping[str, Any], settings: OpenIdSettings, userinfo: Mapping[str, Any], refresh_token: object = None
) -> Identity:
    """`userinfo` adds what the checked claims lack. Raises `SignInRefused`."""

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
            refresh_token=refresh_token,
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
