"""Every error as a problem response."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

import asyncpg
import structlog
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from services.kit.http import problems
from services.kit.http.problems import Problem
from services.kit.postgres.pool import transient

_RETRY_AFTER_S: Final = 5
_CLIENT_CLOSED_REQUEST: Final = 499
_log = structlog.get_logger(__name__)


async def _on_problem(request: Request, error: Problem) -> Response:
    return error.response()


async def _on_validation(request: Request, error: RequestValidationError) -> Response:
    return problems.of_validation(error).response()


async def _on_http(request: Request, error: HTTPException) -> Response:
    title, detail = _HTTP.get(error.status_code, ("The request cannot be answered", str(error.detail)))
    slug = title.lower().replace(" ", "-") if error.status_code in _HTTP else "http"
    return Problem(error.status_code, slug, title, detail=detail, headers=error.headers).response()


async def _on_disconnect(request: Request, error: ClientDisconnect) -> Response:
    # Never read: the status keeps an aborted upload out of the server errors.
    return Response(status_code=_CLIENT_CLOSED_REQUEST)


async def _on_unstorable_text(request: Request, error: Exception) -> Response:
    return Problem(
        422,
        "unstorable-text",
        "A text contains a character that cannot be stored",
        detail="Remove NUL characters (\\u0000) from the texts and send the request again; nothing was changed.",
    ).response()


async def _on_error(request: Request, error: Exception) -> Response:
    if transient(error):
        _log.warning("request.deferred", error=type(error).__name__, route=_route(request))
        return Problem(
            503,
            "unavailable",
            "Temporarily unavailable",
            detail="A dependency does not answer, and it is unknown whether the request took effect. "
            "Send it again with the same Idempotency-Key.",
            headers={"Retry-After": str(_RETRY_AFTER_S)},
        ).response()
    _log.error("request.failed", route=_route(request), exc_info=error)
    return Problem(500, "internal", "Internal error; it was logged").response()


def _route(request: Request) -> str | None:
    # The template, never the path: a path may name a person.
    return getattr(request.scope.get("route"), "path", None)


_HTTP: Final = {
    400: ("Malformed request", "The body could not be read. Send what /openapi.json describes."),
    404: ("Not found", "No such path; /openapi.json lists the paths."),
    405: ("Method not allowed", "This path does not accept the method; the Allow header lists those it accepts."),
}
_Handler = Callable[[Request, Any], Coroutine[Any, Any, Response]]
HANDLERS: Final[dict[int | type[Exception], _Handler]] = {
    Problem: _on_problem,
    RequestValidationError: _on_validation,
    HTTPException: _on_http,
    asyncpg.CharacterNotInRepertoireError: _on_unstorable_text,
    asyncpg.UntranslatableCharacterError: _on_unstorable_text,
    ClientDisconnect: _on_disconnect,
    Exception: _on_error,
}
