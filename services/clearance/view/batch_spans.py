"""Spans of a batch, and of each sampled record in its own trace, ended at the commit.

The batch span links to the records, but few trace viewers show links.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka import ConsumerRecord
from opentelemetry import trace
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode

from services.kit.observability.telemetry import remote_context

MAX_LINKS: Final = 32
MAX_RECORD_SPANS: Final = 256
"""A backlog must not flood the collector."""
_tracer = trace.get_tracer("lixiao.projector")


@dataclass(frozen=True, slots=True)
class BatchSpans:
    batch: Span
    records: tuple[Span, ...]

    def count(self, **counts: int) -> None:
        for name, value in counts.items():
            self.batch.set_attribute(f"lixiao.batch.{name}", value)

    def fail(self, kind: str) -> None:
        """`kind`: the error's type, because its text may hold personal data."""
        for span in (*self.records, self.batch):
            span.set_status(Status(StatusCode.ERROR, kind))
        self.end()

    def end(self) -> None:
        for span in (*self.records, self.batch):
            span.end()


def start_spans(records: Sequence[ConsumerRecord]) -> BatchSpans:
    contexts = [
        (record, context) for record, traceparent in _sampled(records) if (context := remote_context(traceparent))
    ]
    links = [Link(trace.get_current_span(context).get_span_context()) for _, context in contexts[:MAX_LINKS]]
    batch = _tracer.start_span(
        "project batch",
        kind=SpanKind.CONSUMER,
        links=links,
        attributes={"messaging.system": "kafka", "messaging.batch.message_count": len(records)},
    )
    spans = tuple(
        _tracer.start_span(
            f"process {record.topic}",
            context=context,
            kind=SpanKind.CONSUMER,
            attributes={
                "messaging.system": "kafka",
                "messaging.operation.type": "process",
                "messaging.destination.name": record.topic,
                "messaging.destination.partition.id": str(record.partition),
            },
        )
        for record, context in contexts
    )
    return BatchSpans(batch, spans)


def _sampled(records: Sequence[ConsumerRecord]) -> Iterable[tuple[ConsumerRecord, str]]:
    """(record, traceparent), at most `MAX_RECORD_SPANS`."""
    found = 0
    for record in records:
        for name, value in record.headers:
            if name == "traceparent" and value is not None and value.endswith((b"-01", b"-03")):
                yield record, value.decode("ascii", "replace")
                found += 1
        if found >= MAX_RECORD_SPANS:
            return
