"""Which traces leave the process: a share chosen at their root, and of the rest whatever failed or was slow.

The share is chosen once, by OTEL_TRACES_SAMPLER where a trace begins, and every service follows the flag. A trace that
was not chosen is recorded all the same, and what this process did for it is held until that ends: only then is known
whether it is worth keeping.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState
from opentelemetry.util.types import Attributes

STREAM: Final = "lixiao.stream"
"""On a request that lasts as long as a page is open: that it took long says nothing."""
MAX_TRACES: Final = 1_000
MAX_SPANS: Final = 200
"""Held of one trace; its last span, which began it here, comes in any case."""
_BEGINNINGS: Final = (SpanKind.SERVER, SpanKind.INTERNAL)


class FromRequests(Sampler):
    """A trace begins at a request, at work that we named, or at what is linked to one; no statement begins one.

    What a loop asks the database by itself is housekeeping. `chosen` decides for the rest.
    """

    def __init__(self, chosen: Sampler) -> None:
        self._chosen = chosen

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        parent = trace.get_current_span(parent_context)
        context = parent.get_span_context()
        if not context.is_valid and kind not in _BEGINNINGS and not links:
            return SamplingResult(Decision.DROP)
        result = self._chosen.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
        if result.decision is not Decision.DROP:
            return result
        if context.is_valid and not context.is_remote and not parent.is_recording():
            return result  # of housekeeping, or of a request that has ended
        return SamplingResult(Decision.RECORD_ONLY, attributes, result.trace_state)

    def get_description(self) -> str:
        return f"FromRequests({self._chosen.get_description()})"


class WorthKeeping(SpanProcessor):
    """Passes on what was sampled, and what failed or took longer than `slow_s` with all that belongs to it here."""

    def __init__(self, following: SpanProcessor, *, slow_s: float) -> None:
        self._following, self._slow_ns = following, slow_s * 1e9
        self._held: OrderedDict[int, list[ReadableSpan]] = OrderedDict()
        self._lock = threading.Lock()

    def on_end(self, span: ReadableSpan) -> None:
        context = span.get_span_context()
        if context is None:
            return
        if context.trace_flags.sampled:
            self._following.on_end(span)
            return
        begins_here = span.parent is None or span.parent.is_remote
        with self._lock:
            held = self._held.pop(context.trace_id, [])
            if begins_here or len(held) < MAX_SPANS:
                held.append(span)
            if not begins_here:
                self._held[context.trace_id] = held
                while len(self._held) > MAX_TRACES:
                    self._held.popitem(last=False)
                return
        if any(map(self._is_worth_it, held)):
            for one in held:
                self._following.on_end(_sampled(one))

    def shutdown(self) -> None:
        self._following.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._following.force_flush(timeout_millis)

    def _is_worth_it(self, span: ReadableSpan) -> bool:
        if span.status.status_code is StatusCode.ERROR:
            return True
        took_ns = (span.end_time or 0) - (span.start_time or 0)
        return took_ns > self._slow_ns and STREAM not in (span.attributes or {})


def _sampled(span: ReadableSpan) -> ReadableSpan:
    """The same span as an exporter takes it."""
    context = span.get_span_context()
    assert context is not None
    return ReadableSpan(
        name=span.name,
        context=SpanContext(
            context.trace_id,
            context.span_id,
            context.is_remote,
            TraceFlags(context.trace_flags | TraceFlags.SAMPLED),
            context.trace_state,
        ),
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        events=span.events,
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
