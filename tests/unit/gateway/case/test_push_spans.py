"""What an open page is sent is a span in the trace of the status that changed the page."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.gateway.case.live import push_spans
from services.gateway.case.live.hub import Hub
from services.gateway.read_model.types import StudentSnapshot
from services.kit.observability import subjects
from services.kit.observability.traced_statuses import TracedStatus, notices_of
from tests.support.samples import case_samples
from tests.support.waiting import eventually
from tests.unit.gateway.case.test_live import SESSION, OpenPage, Reads, hub_over, opened

TRACE, STORED = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(push_spans, "_tracer", provider.get_tracer("test"))
    subjects.configure("s" * 32)
    yield exporter
    subjects.configure(None)


@pytest.fixture
def reads() -> Reads:
    made = Reads()
    made.let_go.set()
    return made


def changed(version: int) -> StudentSnapshot:
    """By a status of the library, on another day each, which the page shows."""
    before = case_samples.clear()
    received = before.statuses["library"]
    newer = {"version": version, "occurred_at": datetime.now(UTC) - timedelta(days=30 - version)}
    status = structs.replace(received.status, **newer)
    return replace(before, statuses={**before.statuses, "library": replace(received, status=status)})


def notice(version: int, student_id: str = SESSION.student_id) -> str:
    subject = subjects.subject_key(student_id)
    assert subject is not None
    (text,) = notices_of([TracedStatus(subject, "library", version, f"00-{TRACE}-{STORED}-01")])
    return text


def said(span: ReadableSpan) -> tuple[str, str, str]:
    context, attributes = span.get_span_context(), span.attributes or {}
    assert context is not None
    assert span.parent is not None
    assert attributes["lixiao.department"] == "library"
    assert attributes["lixiao.subject"] == subjects.subject_key(SESSION.student_id)
    trace_id, parent = trace.format_trace_id(context.trace_id), trace.format_span_id(span.parent.span_id)
    return trace_id, parent, str(attributes["lixiao.outcome"])


async def pushed(hub: Hub, reads: Reads, page: OpenPage, version: int, text: str) -> None:
    reads.snapshot = changed(version)
    if text:
        hub.notify(text)
    hub.notify()
    await page.next()


async def test_a_push_is_a_span_behind_the_one_that_stored_the_status(
    reads: Reads, spans: InMemorySpanExporter
) -> None:
    async with hub_over(reads, SESSION.id_hash) as hub, opened(hub) as page:
        hub.notify(notice(7))
        await page.next()
        page.reading.clear()
        await pushed(hub, reads, page, 9, notice(9))
        assert spans.get_finished_spans() == (), "it is being sent"
        page.reading.set()
        await eventually(lambda: len(spans.get_finished_spans()) == 1, what="the span")
    (span,) = spans.get_finished_spans()
    assert said(span) == (TRACE, STORED, "sent")
    assert SESSION.student_id not in span.to_json()


async def test_a_page_that_is_gone_before_it_was_sent_says_so(reads: Reads, spans: InMemorySpanExporter) -> None:
    async with hub_over(reads, SESSION.id_hash) as hub, opened(hub) as page:
        await page.next()
        page.reading.clear()
        await pushed(hub, reads, page, 9, notice(9))
    await asyncio.sleep(0)
    assert [said(span)[2] for span in spans.get_finished_spans()] == ["gone"]


async def test_what_a_slow_reader_skips_was_replaced(reads: Reads, spans: InMemorySpanExporter) -> None:
    async with hub_over(reads, SESSION.id_hash) as hub, opened(hub) as page:
        await page.next()
        page.reading.clear()
        await pushed(hub, reads, page, 8, "")
        for version in (9, 10):
            reads.snapshot, before = changed(version), page.stream.made_from
            hub.notify(notice(version))
            hub.notify()
            await eventually(lambda before=before: page.stream.made_from != before, what="it")  # type: ignore[misc]
    assert [said(span)[2] for span in spans.get_finished_spans()] == ["replaced", "gone"]


async def test_a_change_whose_trace_is_not_known_or_of_another_version_or_student_has_no_span(
    reads: Reads, spans: InMemorySpanExporter
) -> None:
    async with hub_over(reads, SESSION.id_hash) as hub, opened(hub) as page:
        await page.next()
        await pushed(hub, reads, page, 9, "")
        await pushed(hub, reads, page, 10, notice(9))
        await pushed(hub, reads, page, 11, notice(11, "TS20260002"))
    assert spans.get_finished_spans() == ()


def test_of_what_no_page_shows_so_much_is_remembered(monkeypatch: pytest.MonkeyPatch, spans: object) -> None:
    monkeypatch.setattr(push_spans, "MAX_KNOWN", 3)
    known = push_spans.PushSpans(())
    for number in range(10):
        known.note(notice(1, f"TS2026000{number}"))
    assert len(known._known) == 3
