"""FastAPI application of a service."""

import signal
import socket
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import FrameType
from typing import Any, Final

import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp

from services.kit.http import problems
from services.kit.http.error_handlers import HANDLERS
from services.kit.http.middleware import CompleteOnDisconnect, RequestLimits
from services.kit.http.swagger_ui import documentation_routes
from services.kit.observability.telemetry import Telemetry
from services.kit.runtime.gc_tuning import tune_gc
from services.kit.runtime.health import Health, HealthReport
from services.kit.settings import Settings

MAX_BODY_BYTES: Final = 1024 * 1024
"""Unless a route sets `max_body_size`."""
_GRACEFUL_S: Final = 10
_UNOBSERVED: Final = ("/health/", "/metrics")

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
Wrapper = Callable[[ASGIApp], ASGIApp]


class _Application(FastAPI):
    """Wraps the whole stack, and adds the problem schema to OpenAPI."""

    def __init__(self, *, outermost: Wrapper | None, **options: Any) -> None:
        super().__init__(**options)
        self._outermost = outermost

    def build_middleware_stack(self) -> ASGIApp:
        stack = CompleteOnDisconnect(RequestLimits(super().build_middleware_stack()))
        return self._outermost(stack) if self._outermost is not None else stack

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = problems.SCHEMA
        return document


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
    outermost: Wrapper | None = None,
) -> FastAPI:
    """`telemetry=None` also removes /metrics.

    `outermost` wraps the whole ASGI stack: unlike added middleware it sees the answers to unhandled exceptions.
    """
    app = _Application(
        outermost=outermost,
        title=title,
        version=version,
        description=description,
        lifespan=lifespan,
        openapi_url="/openapi.json" if docs else None,
        docs_url=None,
        redoc_url=None,
        telemetry=telemetry.for_fastapi(_unobserved) if telemetry else {"tracing": False, "metrics": False},
        max_body_size=max_body_bytes,
        exception_handlers=HANDLERS,
        responses={"default": {"description": "A problem", "content": {problems.MEDIA_TYPE: {"schema": _REF}}}},
    )
    app.state.telemetry = telemetry
    app.state.before_drain = []
    app.include_router(_health_routes(health))
    if docs:
        app.include_router(documentation_routes(title))
    if telemetry is not None and metrics:
        app.include_router(_metrics_route(telemetry))
    for router in routers:
        app.include_router(router)
    return app


def before_drain(app: FastAPI, callback: Callable[[], None]) -> None:
    """Call `callback` on shutdown, before open responses are awaited: endless ones must end then."""
    app.state.before_drain.append(callback)


class Server(uvicorn.Server):
    """Calls the `before_drain` callbacks of `app`."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # The lifespan ends too late: only after the last response.
        for callback in getattr(self._app.state, "before_drain", ()):
            callback()
        await super().shutdown(sockets)


def serve(app: FastAPI, settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then drain; exits with 0, or with 3 if the start failed."""
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
    server = Server(config, app)
    tune_gc()
    # Once drained, uvicorn raises the signal again, which would end the process before the telemetry is flushed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
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


def _unobserved(scope: MutableMapping[str, Any]) -> bool:
    return str(scope.get("path", "")).startswith(_UNOBSERVED)


def _health_routes(health: Health) -> APIRouter:
    router = APIRouter(prefix="/health", tags=["health"])

    def as_response(report: HealthReport) -> JSONResponse:
        return JSONResponse(report.as_json(), 200 if report.healthy else 503)

    @router.get("/live", summary="Liveness: 503 when the process should be restarted")
    async def live() -> Response:
        return as_response(await health.live())

    @router.get("/ready", summary="Readiness: 503 while a dependency or background task is down")
    async def ready() -> Response:
        return as_response(await health.ready())

    return router


def _metrics_route(telemetry: Telemetry) -> APIRouter:
    router = APIRouter()

    @router.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        body, media_type = telemetry.metrics_text(request.headers.get("accept", ""))
        return Response(body, media_type=media_type)

    return router
