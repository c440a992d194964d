"""The bodies of form posts, and their CSRF token."""

import secrets
from typing import Annotated, Literal

import structlog
from fastapi import Form
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.tables.number_choices import NumberChoice
from services.gateway.tables.sessions.session import Session
from services.kit.audit.log import CLIENT_ADDRESS
from services.kit.http.problems import Problem
from services.kit.message_format import Language

_log = structlog.get_logger(__name__)


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class CsrfFields(_Form):
    csrf: Annotated[str, Field(max_length=128)] = ""


class _FavouriteForm(CsrfFields):
    kept: Literal["yes", "no"]
    back: Annotated[str, Field(max_length=64)] = "/"


class _LanguageForm(_Form):
    language: Language
    back: Annotated[str, Field(max_length=64)] = "/"


CsrfForm = Annotated[CsrfFields, Form()]
FavouriteForm = Annotated[_FavouriteForm, Form()]
LanguageForm = Annotated[_LanguageForm, Form()]


def check_csrf(session: Session | NumberChoice, token: str) -> None:
    """Raises a 403 `Problem`."""
    if not secrets.compare_digest(session.csrf.encode(), token.encode()):
        _log.warning("request.refused", cause="csrf", address=CLIENT_ADDRESS.get(), method="POST")
        raise Problem(
            403,
            "csrf",
            title="The page was too old",
            detail="Load the page again and send it from there; nothing was done.",
        )
