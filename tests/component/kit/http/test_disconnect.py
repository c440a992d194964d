"""A client that goes away is no error of the server: not in its metrics, not in its spans, not in its log."""

import io
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.types import Message

from services.kit.http.app import create_app
from services.kit.observability.telemetry import Telemetry, build
from services.kit.runtime.health import Health
from tests.support.observability.log_lines import captured_lines


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    with captured_lines("info") as stream:
        yield stream


def application(telemetry: Telemetry) -> FastAPI:
    router = APIRouter()

    @router.get("/live", response_class=EventSourceResponse)
    async def live() -> AsyncIterator[ServerSentEvent]:
        while True:
            yield ServerSentEvent(event="state", data={})

    @router.post("/files")
    async def files(request: Request) -> int:
        return len(await request.body())

    return create_app(
        title="Library",
        version="1",
        description="",
        health=Health(),
        lifespan=None,
        routers=[router],
        telemetry=telemetry,
    )


async def leave_after(app: FastAPI, scope: dict[str, Any], received: Message) -> list[Message]:
    """Run one request whose client sends `received` and is gone with the next message; what the server sent."""
    sent: list[Message] = []
    messages = iter([received])

    async def receive() -> Message:
        return next(messages, {"type": "http.disconnect"})

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"type": "http", "headers": [], "query_string": b"", "http_version": "1.1", **scope}, receive, send)
    return sent


def outcome(telemetry: Telemetry, exporter: InMemorySpanExporter) -> tuple[ReadableSpan, str]:
    telemetry.tracer_provider.force_flush()
    (span,) = exporter.get_finished_spans()
    metrics, _ = telemetry.metrics_text("")
    return span, metrics.decode()


async def test_a_live_page_that_is_closed_counts_as_an_answered_request(lines: io.StringIO) -> None:
    exporter = InMemorySpanExporter()
    telemetry = build("library", exporters=[exporter])
    scope = {"method": "GET", "path": "/live"}
    sent = await leave_after(application(telemetry), scope, {"type": "http.request", "body": b""})
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    span, metrics = outcome(telemetry, exporter)
    assert span.status.is_ok or span.status.is_unset
    assert "error.type" not in (span.attributes or {})
    assert 'http_route="/live"' in metrics
    assert "error_type" not in metrics
    assert lines.getvalue() == ""


async def test_an_upload_broken_off_by_its_client_is_no_server_error(lines: io.StringIO) -> None:
    exporter = InMemorySpanExporter()
    telemetry = build("library", exporters=[exporter])
    scope = {"method": "POST", "path": "/files"}
    await leave_after(application(telemetry), scope, {"type": "http.request", "body": b"a", "more_body": True})
    span, metrics = outcome(telemetry, exporter)
    assert span.status.is_ok or span.status.is_unset
    assert "error_type" not in metrics
    assert 'http_response_status_code="499"' in metrics
    assert lines.getvalue() == ""
