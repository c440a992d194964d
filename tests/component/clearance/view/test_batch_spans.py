"""Spans of the projector: a record's in its own trace, its batch's, and where the trace goes on."""

import secrets
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from deploy.local.servers.kafka import RunningKafka
from services.clearance.view import batch_spans
from services.kit.names import VIEW_CHANNEL
from services.kit.observability import subjects
from services.kit.observability.telemetry import build
from services.kit.observability.traced_statuses import read_notice
from tests.component.clearance.view.test_projector import running, student
from tests.support.clearance.fixture import ClearanceFixture, clearance_fixture, status
from tests.support.waiting import eventually


@pytest.fixture
async def clearance(database: str, kafka: RunningKafka, namespace: str) -> AsyncIterator[ClearanceFixture]:
    async with clearance_fixture(database, kafka.address, namespace) as made:
        yield made


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    telemetry = build("clearance", exporters=[exporter])
    monkeypatch.setattr(batch_spans, "_tracer", telemetry.tracer_provider.get_tracer("test"))
    monkeypatch.setattr(exporter, "flushed", telemetry.tracer_provider.force_flush, raising=False)
    subjects.configure("s" * 32)
    yield exporter
    subjects.configure(None)
    telemetry.stop()


def finished(exporter: Any) -> tuple[ReadableSpan, ...]:
    exporter.flushed()
    spans: tuple[ReadableSpan, ...] = exporter.get_finished_spans()
    return spans


def traced(flags: str = "01") -> tuple[str, tuple[str, bytes]]:
    """A trace's id, and the header of a record in it."""
    trace_id = secrets.token_hex(16)
    return trace_id, ("traceparent", f"00-{trace_id}-{secrets.token_hex(8)}-{flags}".encode())


async def test_a_sampled_message_has_a_span_in_its_own_trace_linked_with_its_batch_both_ways(
    clearance: ClearanceFixture, exporter: InMemorySpanExporter
) -> None:
    who, (trace_id, header) = student(), traced()
    sampled = clearance.record(status(who, 1), header)
    unsampled = clearance.record(status(student(), 1), traced("00")[1])
    async with running(clearance.projector(workers=1)):
        await clearance.publisher.send([unsampled, sampled])
        await eventually(lambda: any(_own(span, trace_id) for span in finished(exporter)), what="its span")
    batch, own = sorted(finished(exporter), key=lambda span: _own(span, trace_id))
    assert (own.kind, own.parent and trace.format_span_id(own.parent.span_id)) == (
        SpanKind.CONSUMER,
        header[1].decode().split("-")[2],
    )
    assert own.attributes is not None
    assert {own.attributes[name] for name in ("lixiao.subject", "lixiao.department", "lixiao.outcome")} == {
        subjects.subject_key(who),
        "library",
        "stored",
    }
    assert [link.context for link in own.links] == [batch.get_span_context()]
    assert [trace.format_trace_id(link.context.trace_id) for link in batch.links] == [trace_id]
    assert not any(who in str(span.to_json()) for span in finished(exporter))


async def test_where_the_trace_of_a_status_goes_on_is_said_with_its_notification_by_an_opaque_key(
    clearance: ClearanceFixture, exporter: InMemorySpanExporter
) -> None:
    who, (trace_id, header) = student(), traced()
    notices: list[str] = []
    listener = await asyncpg.connect(clearance.dsn)
    await listener.add_listener(VIEW_CHANNEL, lambda *notice: notices.append(str(notice[-1])))
    async with running(clearance.projector(workers=1)):
        await clearance.publisher.send([clearance.record(status(who, 3), header)])
        await eventually(lambda: any(notices), what="what is said")
        await eventually(lambda: any(_own(span, trace_id) for span in finished(exporter)), what="its span")
    await listener.close()
    (said,) = [one for notice in notices for one in read_notice(notice)]
    (own,) = [span for span in finished(exporter) if _own(span, trace_id)]
    assert (said.subject, said.department, said.version) == (subjects.subject_key(who), "library", 3)
    context = own.get_span_context()
    assert context is not None
    assert said.traceparent == f"00-{trace_id}-{trace.format_span_id(context.span_id)}-01"
    assert who not in str(notices)


async def test_an_unreadable_record_has_a_failed_span_even_if_its_trace_was_not_chosen(
    clearance: ClearanceFixture, exporter: InMemorySpanExporter
) -> None:
    who, (trace_id, header) = student(), traced("00")
    good, bad = clearance.record(status(who, 1), traced("00")[1]), clearance.record(status(who, 2), header)
    async with running(clearance.projector(workers=1)):
        await clearance.publisher.send([good, bad._replace(value=b"{")])
        await eventually(lambda: any(_own(span, trace_id) for span in finished(exporter)), what="its span")
    (own,) = finished(exporter)
    assert own.status.status_code is StatusCode.ERROR
    assert own.attributes is not None
    assert own.attributes["lixiao.outcome"] == "unreadable"


async def test_alive_marks_make_no_trace(clearance: ClearanceFixture, exporter: InMemorySpanExporter) -> None:
    async with running(clearance.projector(workers=1)):
        await clearance.publish_alive_mark("library", datetime.now(UTC))
        await eventually(lambda: _marked(clearance), what="the marks")
    assert finished(exporter) == ()


def _own(span: Any, trace_id: str) -> bool:
    return trace.format_trace_id(span.context.trace_id) == trace_id


async def _marked(clearance: ClearanceFixture) -> bool:
    return bool(await clearance.pool.fetchval("SELECT count(*) = 6 FROM published.source_v1"))
