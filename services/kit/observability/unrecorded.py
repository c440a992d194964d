"""Spans of a process that exports none: ids and flags as the SDK gives them, and nothing recorded.

Audit, events, answers and the next service name the trace all the same. A recorded span costs ten times as much, and
nobody would see it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags
from opentelemetry.util.types import Attributes


class UnrecordedSpans(trace.TracerProvider):
    """`sampler`: what the flag of a trace that begins here says to those who export."""

    def __init__(self, sampler: Sampler) -> None:
        self._tracer = _Tracer(sampler)

    def get_tracer(self, *_: Any, **__: Any) -> trace.Tracer:
        return self._tracer


class _Tracer(trace.Tracer):
    def __init__(self, sampler: Sampler) -> None:
        self._sampler, self._ids = sampler, RandomIdGenerator()

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        *_: Any,
        **__: Any,
    ) -> Span:
        parent = trace.get_current_span(context).get_span_context()
        trace_id = parent.trace_id if parent.is_valid else self._ids.generate_trace_id()
        chosen = self._sampler.should_sample(context, trace_id, name, kind, attributes, links)
        flags = TraceFlags.SAMPLED if chosen.decision is Decision.RECORD_AND_SAMPLE else TraceFlags.DEFAULT
        flags |= TraceFlags.RANDOM_TRACE_ID & (parent.trace_flags if parent.is_valid else TraceFlags.RANDOM_TRACE_ID)
        span_id = self._ids.generate_span_id()
        return NonRecordingSpan(SpanContext(trace_id, span_id, False, TraceFlags(flags), chosen.trace_state))

    @contextmanager
    def start_as_current_span(  # type: ignore[override]
        self, name: str, *given: Any, end_on_exit: bool = True, **options: Any
    ) -> Iterator[Span]:
        with trace.use_span(self.start_span(name, *given, **options), end_on_exit=end_on_exit) as span:
            yield span
