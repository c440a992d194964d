"""Spans as Zipkin's JSON, field by field."""

from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from services.kit.observability.zipkin import zipkin_span

TRACE, SPAN, PARENT = 0x0AF7651916CD43DD8448EB211C80319C, 0x00F067AA0BA902B7, 0xB7AD6B7169203331


def context(span_id: int) -> SpanContext:
    return SpanContext(TRACE, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def span(**changes: Any) -> ReadableSpan:
    values: dict[str, Any] = {
        "name": "post /operations/charge",
        "context": context(SPAN),
        "resource": Resource({"service.name": "lixiao-finance"}),
        "kind": SpanKind.SERVER,
        "start_time": 1_780_000_000_123_456_789,
        "end_time": 1_780_000_000_125_456_789,
    }
    return ReadableSpan(**{**values, **changes})


def test_a_span_is_named_by_its_ids_its_service_and_its_instants_in_microseconds() -> None:
    assert zipkin_span(span()) == {
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "id": "00f067aa0ba902b7",
        "name": "post /operations/charge",
        "timestamp": 1_780_000_000_123_457,
        "duration": 2_000,
        "localEndpoint": {"serviceName": "lixiao-finance"},
        "kind": "SERVER",
        "tags": {},
    }


def test_a_span_has_its_parent() -> None:
    assert zipkin_span(span(parent=context(PARENT)))["parentId"] == "b7ad6b7169203331"


def test_zipkin_has_no_kind_for_what_happens_inside() -> None:
    assert "kind" not in zipkin_span(span(kind=SpanKind.INTERNAL))
    kinds = (SpanKind.CLIENT, SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert [zipkin_span(span(kind=kind))["kind"] for kind in kinds] == ["CLIENT", "PRODUCER", "CONSUMER"]


def test_attributes_are_tags_and_every_tag_is_a_text() -> None:
    attributes = {"lixiao.outcome": "changed", "http.response.status_code": 200, "sent": True, "topics": ("a", "b")}
    assert zipkin_span(span(attributes=attributes))["tags"] == {
        "lixiao.outcome": "changed",
        "http.response.status_code": "200",
        "sent": "true",
        "topics": '["a", "b"]',
    }


def test_what_took_less_than_a_microsecond_has_lasted_one_because_zero_is_unknown() -> None:
    assert zipkin_span(span(end_time=1_780_000_000_123_456_790))["duration"] == 1


def test_a_failure_is_what_zipkin_paints_red() -> None:
    failed = zipkin_span(span(status=Status(StatusCode.ERROR), attributes={"error.type": "PostgresError"}))
    assert (failed["tags"]["error"], failed["tags"]["otel.status_code"]) == ("PostgresError", "ERROR")
    assert zipkin_span(span(status=Status(StatusCode.ERROR)))["tags"]["error"] == "true"
    assert "error" not in zipkin_span(span(status=Status(StatusCode.OK)))["tags"]


def test_links_are_tags_to_go_by() -> None:
    assert zipkin_span(span(links=[Link(context(PARENT))]))["tags"] == {
        "link.0": f"{trace.format_trace_id(TRACE)}/{trace.format_span_id(PARENT)}"
    }
