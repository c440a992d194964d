"""Who signed in, whichever way the provider says it."""

from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from services.kit.student_numbers import student_number

MAX_STUDENT_IDS: Final = 20
MAX_TOKEN: Final = 16_384


def _one_text(value: Any) -> Any:
    """The one of a list: some providers send every attribute so. Empty is absent."""
    if isinstance(value, list) and len(value) <= 1:
        value = value[0] if value else None
    return None if value == "" else value


def _token(value: Any) -> Any:
    """One that cannot be one is as none."""
    return value if isinstance(value, str) and 0 < len(value) <= MAX_TOKEN and value.isascii() else None


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
    """Of the provider's answer, if it does not say when (`auth_time`)."""
    auth_time: datetime | None = None
    acr: _OneText = None
    sid: _OneText = None
    """Of the session at the provider."""
    refresh_token: Annotated[str | None, BeforeValidator(_token), Field(repr=False)] = None
    id_token: Annotated[str | None, BeforeValidator(_token), Field(repr=False)] = None
    """What shows the provider at sign-out whose session there ends."""
