"""The HTTP side of a service: one application with health, metrics, documentation and the same answers to errors."""

import signal
from collections.abc import Callable, Coroutine, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import FrameType
from typing import Any, Final

import asyncpg
import structlog
import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from services.kit.http import problems
from services.kit.http.middleware import RequestLimits
from services.kit.http.problems import FieldProblem, Problem, problem_responses
from services.kit.http.swagger_ui import documentation_routes
from services.kit.observability.telemetry import Telemetry
from services.kit.postgres.pool import transient
from services.kit.runtime.gc_tuning import tune_gc
from services.kit.runtime.health import Health, HealthReport
from services.kit.settings import Settings

__all__ = ["FieldProblem", "Problem", "create_app", "problem_responses", "serve"]

MAX_BODY_BYTES: Final = 1024 * 1024
"""Of a request, unless its route sets `max_body_size` itself."""
_RETRY_AFTER_S: Final = 5
_GRACEFUL_S: Final = 10
_UNOBSERVED: Final = ("/health/", "/metrics")
_log = structlog.get_logger(__name__)

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class _Application(FastAPI):
    """FastAPI with `Edge` around everything, so that no answer escapes it (a body too large, a mistake of ours)."""

    def build_middleware_stack(self) -> ASGIApp:
        return RequestLimits(super().build_middleware_stack())


def create_app(
    *,
    title: str,
    version: str,
    description: str,
    health: Health,
    lifespan: Lifespan | None,
    routers: Sequence[APIRouter],
    telemetry: Telemetry | None,
    docs: bool = True,
    metrics: bool = True,
    max_body_bytes: int = MAX_BODY_BYTES,
) -> FastAPI:
    """The application of one service. `telemetry=None` traces nothing and has no /metrics."""
    app = _Application(
        title=title,
        version=version,
        description=description,
        lifespan=lifespan,
        openapi_url="/openapi.json" if docs else None,
        docs_url=None,
        redoc_url=None,
        telemetry=telemetry.for_fastapi(_unobserved) if telemetry else {"tracing": False, "metrics": False},
        max_body_size=max_body_bytes,
        exception_handlers=_HANDLERS,
        responses={"default": {"description": "A problem", "content": {problems.MEDIA_TYPE: {"schema": _REF}}}},
    )
    _describe_problems(app)
    app.state.telemetry = telemetry
    app.include_router(_health_routes(health))
    if docs:
        app.include_router(documentation_routes(title))
    if telemetry is not None and metrics:
        app.include_router(_metrics_route(telemetry))
    for router in routers:
        app.include_router(router)
    return app


def serve(app: FastAPI, settings: Settings) -> None:
    """Answer requests until SIGTERM or SIGINT; then end the open ones, the lifespan, and flush the telemetry.

    Does not return on a signal: it exits with 0, or with an error when the service could not start.
    """
    config = uvicorn.Config(
        app,
        host=settings.http_host,
        port=settings.http_port,
        loop="auto",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACEFUL_S,
    )
    server = uvicorn.Server(config)
    tune_gc()
    # When all is ended uvicorn raises the signal once more, which would end the process before the telemetry is sent.
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, _exit)
    try:
        server.run()
    finally:
        if app.state.telemetry is not None:
            app.state.telemetry.stop()
    if not server.started:
        raise SystemExit(3)


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


_REF: Final = {"$ref": "#/components/schemas/Problem"}


def _describe_problems(app: FastAPI) -> None:
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = problems.SCHEMA
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _unobserved(scope: MutableMapping[str, Any]) -> bool:
    return str(scope.get("path", "")).startswith(_UNOBSERVED)


def _health_routes(health: Health) -> APIRouter:
    router = APIRouter(prefix="/health", tags=["health"])

    def answer(report: HealthReport) -> JSONResponse:
        return JSONResponse(report.as_json(), 200 if report.well else 503)

    @router.get("/live", summary="Whether the process is worth keeping")
    async def live() -> Response:
        return answer(await health.live())

    @router.get("/ready", summary="Whether every part answers")
    async def ready() -> Response:
        return answer(await health.ready())

    return router


def _metrics_route(telemetry: Telemetry) -> APIRouter:
    router = APIRouter()

    @router.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        body, media_type = telemetry.metrics_text(request.headers.get("accept", ""))
        return Response(body, media_type=media_type)

    return router


async def _on_problem(request: Request, error: Problem) -> Response:
    return error.response()


async def _on_validation(request: Request, error: RequestValidationError) -> Response:
    return problems.of_validation(error).response()


async def _on_http(request: Request, error: HTTPException) -> Response:
    title, detail = _HTTP.get(error.status_code, ("The request cannot be answered", str(error.detail)))
    slug = title.lower().replace(" ", "-") if error.status_code in _HTTP else "http"
    return Problem(error.status_code, slug, title, detail=detail, headers=error.headers).response()


async def _on_text(request: Request, error: Exception) -> Response:
    return Problem(
        422,
        "unstorable-text",
        "A text holds a character that cannot be stored",
        detail="Remove NUL characters (\\u0000) from the texts and send the request again; nothing was changed.",
    ).response()


async def _on_anything(request: Request, error: Exception) -> Response:
    if transient(error):
        _log.warning("http.unavailable", error=type(error).__name__, route=_route(request))
        return Problem(
            503,
            "unavailable",
            "Please try again in a moment",
            detail="A part this needs does not answer. Whether the request took effect is not known: "
            "send it again with the same Idempotency-Key.",
            headers={"Retry-After": str(_RETRY_AFTER_S)},
        ).response()
    _log.error("http.failed", route=_route(request), exc_info=error)
    return Problem(500, "internal", "This is a mistake of ours; it was recorded").response()


def _route(request: Request) -> str | None:
    # The template, never the path: what a client puts into a path may name a person.
    return getattr(request.scope.get("route"), "path", None)


_HTTP: Final = {
    400: ("Malformed request", "The body could not be read. Send what /openapi.json describes."),
    404: ("Not found", "There is nothing at this address; /openapi.json lists what there is."),
    405: ("Method not allowed", "This address does not take this method; the header Allow lists those it takes."),
}
_Handler = Callable[[Request, Any], Coroutine[Any, Any, Response]]
_HANDLERS: Final[dict[int | type[Exception], _Handler]] = {
    Problem: _on_problem,
    RequestValidationError: _on_validation,
    HTTPException: _on_http,
    asyncpg.CharacterNotInRepertoireError: _on_text,
    asyncpg.UntranslatableCharacterError: _on_text,
    Exception: _on_anything,
}
