"""Without an exporter nothing is recorded, and a trace is named and passed on as with one."""

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler

from services.kit.observability.telemetry import build, remote_context, traceparent_of
from services.kit.observability.unrecorded import UnrecordedSpans

SENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"


@pytest.mark.parametrize("sampler", [ParentBased(ALWAYS_ON), ParentBased(ALWAYS_OFF), ALWAYS_OFF])
@pytest.mark.parametrize("sent", [None, f"{SENT}-00", f"{SENT}-01", f"{SENT}-03"])
def test_ids_and_flags_are_those_that_the_sdk_gives(sampler: Sampler, sent: str | None) -> None:
    theirs = TracerProvider(sampler=sampler).get_tracer("test").start_span("work", context=remote_context(sent))
    ours = UnrecordedSpans(sampler).get_tracer("test").start_span("work", context=remote_context(sent))
    assert not ours.is_recording()
    their_context, our_context = theirs.get_span_context(), ours.get_span_context()
    assert our_context.is_valid
    assert our_context.trace_flags == their_context.trace_flags
    assert our_context.span_id != their_context.span_id
    if sent is not None:
        assert our_context.trace_id == their_context.trace_id
        assert our_context.span_id != int(sent.split("-")[2], 16)


def test_a_span_is_the_current_one_while_it_lasts_and_what_it_leads_to_is_of_its_trace() -> None:
    tracer = build("library", exporters=[]).spans.get_tracer("test")
    with tracer.start_as_current_span("request") as outer:
        assert trace.get_current_span() is outer
        inner = tracer.start_span("statement")
        assert inner.get_span_context().trace_id == outer.get_span_context().trace_id
        assert (traceparent_of(inner) or "").startswith(f"00-{outer.get_span_context().trace_id:032x}-")
    assert not trace.get_current_span().get_span_context().is_valid
