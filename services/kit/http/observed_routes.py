"""Telemetry of addresses that are asked for much more often than the rest.

FastAPI's own costs as much as answering them. This records the same duration under the same name, and a span only where
spans are exported; what is under way is not counted.
"""

import time
from collections.abc import Awaitable, Collection
from typing import Any, Final

from opentelemetry.propagate import extract
from opentelemetry.trace import SpanKind, StatusCode, Tracer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.kit.observability.telemetry import Telemetry

_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""As FastAPI's, by the semantic conventions."""


class ObservedRoutes:
    """ASGI, around the application, which must not observe `paths` itself."""

    def __init__(self, app: ASGIApp, paths: Collection[str], telemetry: Telemetry) -> None:
        self._app, self._paths = app, frozenset(paths)
        self._tracer = telemetry.tracer_provider.get_tracer("lixiao") if telemetry.exports_spans else None
        self._duration = telemetry.meter_provider.get_meter("lixiao").create_histogram(
            "http.server.request.duration",
            unit="s",
            description="Duration of HTTP server requests.",
            explicit_bucket_boundaries_advisory=_BUCKETS_S,
        )

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[Any]:
        if scope["type"] != "http" or scope["path"] not in self._paths:
            return self._app(scope, receive, send)
        if self._tracer is None:
            return self._measured(scope, receive, send)
        return self._traced(self._tracer, scope, receive, send)

    async def _traced(self, tracer: Tracer, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        with tracer.start_as_current_span(
            f"{method} {path}",
            context=extract(Headers(scope=scope)),
            kind=SpanKind.SERVER,
            attributes={
                "http.request.method": method,
                "http.route": path,
                "url.path": path,
                "url.scheme": scope["scheme"],
            },
            record_exception=False,
        ) as span:
            status = await self._measured(scope, receive, send)
            span.set_attribute("http.response.status_code", status)
            if status >= 500:
                span.set_status(StatusCode.ERROR)

    async def _measured(self, scope: Scope, receive: Receive, send: Send) -> int:
        """The status answered."""
        started_s, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            self._duration.record(
                time.perf_counter() - started_s,
                {
                    "http.request.method": scope["method"],
                    "http.response.status_code": status,
                    "http.route": scope["path"],
                    "network.protocol.version": scope["http_version"],
                    "url.scheme": scope["scheme"],
                },
            )
        return status
