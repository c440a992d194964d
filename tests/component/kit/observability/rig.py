"""A service's telemetry whose spans and lines stay in the test."""

import io
import json
from typing import Any

import httpx
from fastapi import APIRouter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.kit.http.app import create_app
from services.kit.observability.telemetry import Telemetry, build, current_traceparent
from services.kit.runtime.health import Health

SECRET = "WANG-XIAOMING-7"


PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Rig:
    """A telemetry whose spans stay here, redacted as they would leave."""

    def __init__(self) -> None:
        self._memory = InMemorySpanExporter()
        self.telemetry: Telemetry = build("library", exporters=[self._memory])
        self.tracer = self.telemetry.tracer_provider.get_tracer("test")

    def spans(self) -> tuple[ReadableSpan, ...]:
        self.telemetry.tracer_provider.force_flush()
        return self._memory.get_finished_spans()


def last(lines: io.StringIO) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(lines.getvalue().splitlines()[-1])
    return line


def everything(span: ReadableSpan) -> str:
    return json.dumps([json.loads(span.to_json()), span.status.description])


async def call(rig: Rig, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    router = APIRouter()

    @router.get("/books/{number}")
    async def books(number: str) -> dict[str, str | None]:
        return {"traceparent": current_traceparent()}

    @router.get("/mistake")
    async def mistake() -> None:
        raise RuntimeError(SECRET)

    health = Health()
    app = create_app(
        title="Library",
        version="1",
        description="",
        health=health,
        lifespan=None,
        routers=[router],
        telemetry=rig.telemetry,
    )
    transport = httpx.ASGITransport(app.state.operator)
    async with httpx.AsyncClient(transport=transport, base_url="http://library.example") as client:
        return await client.get(path, headers=headers)
