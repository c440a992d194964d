"""Which traces leave a process: what was chosen, what failed, what was slow, and nothing that a loop does by itself."""

import itertools
import time
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanKind, StatusCode

from services.kit.observability import sampling
from services.kit.observability.telemetry import Telemetry, build, remote_context

SECOND_NS = 1_000_000_000
SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


class Process:
    """Of which no trace is chosen that begins here."""

    def __init__(self) -> None:
        self._memory = InMemorySpanExporter()
        self.telemetry: Telemetry = build("library", exporters=[self._memory], slow_s=1.0)
        self.tracer = self.telemetry.tracer_provider.get_tracer("test")

    def left(self) -> list[str]:
        self.telemetry.tracer_provider.force_flush()
        return [span.name for span in self._memory.get_finished_spans()]

    def request(self, *statements: str, lasting_ns: int = 0, fails: bool = False, **options: Any) -> None:
        began = time.time_ns()
        span = self.tracer.start_span("request", kind=SpanKind.SERVER, start_time=began, **options)
        inside = trace.set_span_in_context(span)
        for name in statements:
            self.tracer.start_span(name, inside, kind=SpanKind.CLIENT, start_time=began).end(began + 1)
        if fails:
            span.set_status(StatusCode.ERROR)
        span.end(began + lasting_ns)


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    made = Process()
    yield made
    made.telemetry.stop()


def test_what_failed_is_kept_with_its_statements(process: Process) -> None:
    process.request("insert", fails=True)
    assert process.left() == ["insert", "request"]


def test_what_was_slow_is_kept_with_its_statements(process: Process) -> None:
    process.request("select", lasting_ns=2 * SECOND_NS)
    assert process.left() == ["select", "request"]


def test_a_request_whose_statement_failed_is_kept(process: Process) -> None:
    with process.tracer.start_as_current_span("request", kind=SpanKind.SERVER):
        statement = process.tracer.start_span("insert", kind=SpanKind.CLIENT)
        statement.set_status(StatusCode.ERROR)
        statement.end()
    assert process.left() == ["insert", "request"]


def test_what_went_well_and_fast_is_not_kept(process: Process) -> None:
    process.request("select")
    assert process.left() == []


def test_what_was_chosen_is_kept_whatever_became_of_it(process: Process) -> None:
    process.request("select", context=remote_context(SAMPLED))
    assert process.left() == ["select", "request"]


def test_a_failure_in_a_trace_that_another_service_did_not_choose_is_kept_in_that_trace(process: Process) -> None:
    process.request(fails=True, context=remote_context(UNSAMPLED))
    (span,) = process._memory.get_finished_spans() if process.left() else ()
    assert trace.format_trace_id(span.get_span_context().trace_id) == UNSAMPLED.split("-")[1]  # type: ignore[union-attr]


def test_an_open_page_is_not_slow(process: Process) -> None:
    process.request(lasting_ns=600 * SECOND_NS, attributes={sampling.STREAM: True})
    assert process.left() == []


def test_what_is_held_is_bounded_in_traces_and_spans(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "MAX_SPANS", 3)
    monkeypatch.setattr(sampling, "MAX_TRACES", 2)
    process.request(*map(str, range(10)), fails=True)
    assert process.left() == ["0", "1", "2", "request"]
    open_ones = [process.tracer.start_span(f"request {number}", kind=SpanKind.SERVER) for number in range(3)]
    for span in open_ones:
        process.tracer.start_span("select", trace.set_span_in_context(span), kind=SpanKind.CLIENT).end()
    for span in open_ones:
        span.set_status(StatusCode.ERROR)
        span.end()
    assert process.left()[4:] == ["request 0", "select", "request 1", "select", "request 2"]


@pytest.fixture
def everything(monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    monkeypatch.delenv("OTEL_TRACES_SAMPLER", raising=False)
    made = Process()
    yield made
    made.telemetry.stop()


def test_no_statement_or_record_begins_a_trace(everything: Process) -> None:
    for kind in (SpanKind.CLIENT, SpanKind.CONSUMER, SpanKind.PRODUCER):
        with everything.tracer.start_as_current_span("housekeeping", kind=kind):
            everything.tracer.start_span("inside", kind=SpanKind.CLIENT).end()
    assert everything.left() == []


def test_a_request_and_what_is_linked_to_one_begin_a_trace(everything: Process) -> None:
    everything.request("select")
    led_to_it = trace.get_current_span(remote_context(SAMPLED)).get_span_context()
    everything.tracer.start_span("batch", kind=SpanKind.CONSUMER, links=[Link(led_to_it)]).end()
    assert everything.left() == ["select", "request", "batch"]


def test_a_share_of_the_traces_is_chosen_where_they_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    process = Process()
    for _ in itertools.repeat(None, 200):
        process.request()
    assert 20 < len(process.left()) < 180
    process.telemetry.stop()
