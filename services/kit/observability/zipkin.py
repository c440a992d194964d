"""Spans as Zipkin's JSON, version 2, which a Zipkin server without an OTLP collector takes.

OpenTelemetry's own exporter to Zipkin ends. What it writes is a dozen fields; links, which Zipkin does not have, are
tags here, so that one can go from an event to its batch and back.
"""

import json
import os
from collections.abc import Sequence
from typing import Any, Final

import httpx
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

DEFAULT_ENDPOINT: Final = "http://localhost:9411/api/v2/spans"
_TIMEOUT_S: Final = 10.0
_KINDS: Final = {kind: kind.name for kind in SpanKind if kind is not SpanKind.INTERNAL}


class ZipkinExporter(SpanExporter):
    """To OTEL_EXPORTER_ZIPKIN_ENDPOINT, within OTEL_EXPORTER_ZIPKIN_TIMEOUT milliseconds."""

    def __init__(self, endpoint: str | None = None) -> None:
        self._endpoint = endpoint or os.environ.get("OTEL_EXPORTER_ZIPKIN_ENDPOINT") or DEFAULT_ENDPOINT
        timeout_ms = os.environ.get("OTEL_EXPORTER_ZIPKIN_TIMEOUT")
        self._http = httpx.Client(trust_env=False, timeout=float(timeout_ms) / 1000 if timeout_ms else _TIMEOUT_S)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        body = json.dumps([zipkin_span(span) for span in spans], ensure_ascii=False).encode()
        try:
            with suppress_instrumentation():
                answer = self._http.post(self._endpoint, content=body, headers={"Content-Type": "application/json"})
        except httpx.HTTPError:
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS if answer.is_success else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self._http.close()


def zipkin_span(span: ReadableSpan) -> dict[str, Any]:
    """Pure. Instants in microseconds; a span that took less has lasted one, because zero means unknown."""
    context = span.get_span_context()
    assert context is not None
    assert span.start_time is not None
    assert span.end_time is not None
    found: dict[str, Any] = {
        "traceId": format_trace_id(context.trace_id),
        "id": format_span_id(context.span_id),
        "name": span.name,
        "timestamp": _micros(span.start_time),
        "duration": max(1, _micros(span.end_time - span.start_time)),
        "localEndpoint": {"serviceName": str(span.resource.attributes.get("service.name", "unknown"))},
        "tags": _tags(span),
    }
    if span.parent is not None:
        found["parentId"] = format_span_id(span.parent.span_id)
    if span.kind in _KINDS:
        found["kind"] = _KINDS[span.kind]
    if span.events:
        found["annotations"] = [
            {"timestamp": _micros(event.timestamp), "value": json.dumps({event.name: dict(event.attributes or {})})}
            for event in span.events
        ]
    return found


def _tags(span: ReadableSpan) -> dict[str, str]:
    tags = {name: _text(value) for name, value in (span.attributes or {}).items()}
    for number, link in enumerate(span.links):
        tags[f"link.{number}"] = f"{format_trace_id(link.context.trace_id)}/{format_span_id(link.context.span_id)}"
    scope = span.instrumentation_scope
    if scope is not None:
        tags["otel.scope.name"] = scope.name
    if span.status.status_code is not StatusCode.UNSET:
        tags["otel.status_code"] = span.status.status_code.name
    if span.status.status_code is StatusCode.ERROR:
        tags["error"] = span.status.description or tags.get("error.type", "true")
    return tags


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _micros(nanos: int) -> int:
    return (nanos + 500) // 1000
