"""Addresses with telemetry of their own: the same duration as FastAPI's, and a span where spans are exported."""

from typing import Any

import httpx
from fastapi import APIRouter, Response
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.kit.http.app import create_app
from services.kit.observability import telemetry
from services.kit.runtime.health import Health

TRACE = "0af7651916cd43dd8448eb211c80319c"
router = APIRouter()


@router.get("/often")
@router.get("/seldom")
async def answer() -> Response:
    return Response("answer", 404)


async def asked(*paths: str, exporter: InMemorySpanExporter | None = None) -> str:
    """The metrics after a request of each path, in a trace of the client's."""
    traced = telemetry.build("test", exporters=[exporter] if exporter else [])
    app = create_app(
        title="test",
        version="1",
        description="",
        health=Health(),
        lifespan=None,
        routers=(router,),
        telemetry=traced,
        often_read=("/often",),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        for path in paths:
            answer = await client.get(path, headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})
            assert answer.status_code == 404
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app.state.operator), base_url="http://test") as client:
        metrics = (await client.get("/metrics")).text
    traced.stop()
    return metrics


def labels(metrics: str, path: str) -> set[str]:
    """The names and values of the duration's labels, but the path."""
    lines = [line for line in metrics.splitlines() if "request_duration_seconds_count" in line and path in line]
    assert len(lines) == 1
    return set(lines[0].split("{")[1].split("}")[0].split(",")) - {f'http_route="{path}"'}


async def test_the_duration_is_labelled_as_that_of_every_other_address() -> None:
    metrics = await asked("/often", "/seldom")
    assert labels(metrics, "/often") == labels(metrics, "/seldom")
    assert 'http_response_status_code="404"' in labels(metrics, "/often")
    assert metrics.count("# TYPE http_server_request_duration_seconds histogram") == 1


async def test_an_exported_span_is_named_as_that_of_every_other_address_and_continues_the_clients_trace() -> None:
    exporter = InMemorySpanExporter()
    await asked("/often", "/seldom", exporter=exporter)
    spans = {str((span.attributes or {})["http.route"]): span for span in exporter.get_finished_spans()}
    often, seldom = spans["/often"], spans["/seldom"]
    assert (often.name, seldom.name) == ("GET /often", "GET /seldom")

    def shown(span: Any) -> tuple[Any, ...]:
        return span.kind, span.attributes["http.response.status_code"], f"{span.context.trace_id:032x}"

    assert shown(often) == shown(seldom)
    assert shown(often)[2] == TRACE
