"""The gateway's cookies and their common flags."""

from collections.abc import Mapping
from typing import Final

from fastapi import Response
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope

SESSION_COOKIE: Final = "__Host-sid"
LANGUAGE_COOKIE: Final = "__Host-language"
SIGN_IN_PREFIX: Final = "__Host-sign-in-"
"""One for each sign-in under way."""
NUMBER_CHOICE_COOKIE: Final = "__Host-number-choice"

_PARSED: Final = "lixiao.cookies"


def cookies_of(scope: Scope, headers: Headers) -> Mapping[str, str]:
    """As the routes read them. Parsed once a request: it costs as much as a rate limit."""
    parsed: Mapping[str, str] | None = scope.get(_PARSED)
    if parsed is None:
        parsed = scope[_PARSED] = cookie_parser(headers.get("cookie", ""))
    return parsed


def forget_headers(scope: Scope) -> None:
    """Of a request that is answered for as long as a page is open: nobody asks for them, and they are kilobytes."""
    scope["headers"] = []
    scope.pop(_PARSED, None)


def set_cookie(response: Response, name: str, value: str, max_age_s: int | None) -> None:
    """Without `max_age_s` it ends with the browser."""
    response.set_cookie(name, value, max_age=max_age_s, path="/", secure=True, httponly=True, samesite="lax")


def drop_cookie(response: Response, name: str) -> None:
    response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="lax")
