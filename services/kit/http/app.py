"""FastAPI application of a service."""

from collections.abc import Callable, Collection, Coroutine, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, cast

from fastapi import APIRouter, Depends, FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from services.kit.http import problems
from services.kit.http.client_address import split
from services.kit.http.error_handlers import HANDLERS
from services.kit.http.middleware import AllowedHosts, ClientAddress, CompleteOnDisconnect, RequestLimits
from services.kit.http.observed_routes import ObservedRoutes
from services.kit.http.openapi import Interface, complete
from services.kit.http.operators.operator_app import health_routes, operator_app
from services.kit.http.requests.json_bodies import refuse_repeated_members
from services.kit.observability.telemetry import Telemetry
from services.kit.runtime.health import Health

MAX_BODY_BYTES: Final = 1024 * 1024
"""Unless a route sets `max_body_size`."""
_UNOBSERVED: Final = ("/health/",)

_NO_INTERFACE: Final = Interface("")

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
Wrapper = Callable[[ASGIApp], ASGIApp]


class _Application(FastAPI):
    """Wraps the whole stack, and completes the OpenAPI document."""

    def __init__(
        self,
        *,
        outermost: Wrapper | None,
        before_routes: Wrapper | None,
        allowed_hosts: str,
        often_read: Collection[str],
        interface: Interface,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._often_read = frozenset(often_read)
        self._outermost, self._before_routes, self._interface = outermost, before_routes, interface
        self._allowed_hosts = frozenset(split(allowed_hosts.lower()))

    def build_middleware_stack(self) -> ASGIApp:
        stack: ASGIApp = CompleteOnDisconnect(RequestLimits(super().build_middleware_stack()))
        if self._before_routes is not None:
            stack = self._before_routes(stack)
        if self._allowed_hosts:
            stack = AllowedHosts(stack, self._allowed_hosts)
        if self._outermost is not None:
            stack = self._outermost(stack)
        return ClientAddress(stack)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        # FastAPI would put three calls around them, only to see that it does not observe these.
        if scope["type"] == "http" and scope["path"] in self._often_read:
            if self.middleware_stack is None:
                self.middleware_stack = self.build_middleware_stack()
            scope["app"] = self
            return cast(Coroutine[Any, Any, None], self.middleware_stack(scope, receive, send))
        return super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            complete(super().openapi(), self._interface)
        return super().openapi()


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
    before_routes: Wrapper | None = None,
    allowed_hosts: str = "",
    often_read: Collection[str] = (),
    interface: Interface = _NO_INTERFACE,
) -> FastAPI:
    """`state.operator` of it is for an operator's port. `telemetry=None` also removes /metrics.

    `outermost` wraps the whole ASGI stack: unlike added middleware it sees the answers to unhandled exceptions.
    `before_routes` answers some requests under the service's names in place of the routes and all middleware of
    FastAPI. `often_read`: paths whose telemetry must cost little.
    """
    app = _Application(
        outermost=_observed(outermost, often_read, telemetry),
        before_routes=before_routes,
        allowed_hosts=allowed_hosts,
        often_read=often_read,
        interface=interface,
        title=title,
        version=version,
        description=description,
        lifespan=lifespan,
        # Such a redirect is built from the Host header.
        redirect_slashes=False,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        telemetry=telemetry.for_fastapi(_unobserved(often_read)) if telemetry else {"tracing": False, "metrics": False},
        max_body_size=max_body_bytes,
        exception_handlers=HANDLERS,
        dependencies=[Depends(refuse_repeated_members)],
        responses={"default": {"description": "A problem", "content": {problems.MEDIA_TYPE: {"schema": _REF}}}},
    )
    app.state.telemetry = telemetry
    app.state.before_drain = []
    app.include_router(health_routes(health, detailed=False))
    for router in routers:
        app.include_router(router)
    app.state.operator = operator_app(app, health=health, telemetry=telemetry, docs=docs, metrics=metrics)
    return app


_REF: Final = {"$ref": "#/components/schemas/Problem"}


def _unobserved(often_read: Collection[str]) -> Callable[[MutableMapping[str, Any]], bool]:
    def unobserved(scope: MutableMapping[str, Any]) -> bool:
        path = str(scope.get("path", ""))
        return path in often_read or path.startswith(_UNOBSERVED)

    return unobserved


def _observed(outermost: Wrapper | None, often_read: Collection[str], telemetry: Telemetry | None) -> Wrapper | None:
    if telemetry is None or not often_read:
        return outermost
    return lambda app: ObservedRoutes(outermost(app) if outermost else app, often_read, telemetry)
