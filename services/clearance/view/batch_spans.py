"""Spans of a batch, and of each traced record in its own trace, ended at the commit.

Batch and records link to each other. A batch that no request led to, as one of alive marks, has no span. Of records
whose trace was not chosen only those that failed get one: the others would cost more than the work.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from aiokafka import ConsumerRecord
from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, Link, Span, SpanKind, Status, StatusCode

from services.clearance.view.records import Position
from services.clearance.view.rows import Row
from services.kit.observability import subjects
from services.kit.observability.telemetry import exports_spans, remote_context, traceparent_of
from services.kit.observability.traced_statuses import TracedStatus

MAX_LINKS: Final = 32
MAX_RECORD_SPANS: Final = 256
"""A backlog must not flood the collector."""
_tracer = trace.get_tracer("lixiao.projector")


@dataclass(frozen=True, slots=True)
class BatchSpans:
    """`departments`: by topic."""

    batch: Span
    departments: Mapping[str, str]
    records: dict[Position, Span] = field(default_factory=dict)

    def count(self, **counts: int) -> None:
        for name, value in counts.items():
            self.batch.set_attribute(f"lixiao.batch.{name}", value)

    def stored(self, rows: Iterable[Row], outcome: str) -> list[TracedStatus]:
        """Of traced records' rows: where their traces go on."""
        if not self.records:
            return []
        at = {(self.departments[topic], *place): span for (topic, *place), span in self.records.items()}
        stored: list[TracedStatus] = []
        for row in rows:
            span = at.get((row.department, row.partition, row.offset))
            if span is None:
                continue
            span.set_attribute(subjects.OUTCOME, outcome)
            span.set_attribute("lixiao.version", row.version)
            subject, traceparent = subjects.subject_key(row.student_id), traceparent_of(span)
            if subject and traceparent:
                stored.append(TracedStatus(subject, row.department, row.version, traceparent))
        return stored

    def refuse(self, record: ConsumerRecord) -> None:
        """Also of a trace that was not chosen."""
        position = record.topic, record.partition, record.offset
        span = self.records.get(position)
        if span is None and len(self.records) < MAX_RECORD_SPANS:
            span = self.records[position] = _span_of(record, self.departments, self.batch) or INVALID_SPAN
        if span is not None:
            span.set_attribute(subjects.OUTCOME, "unreadable")
            span.set_status(Status(StatusCode.ERROR))

    def fail(self, kind: str) -> None:
        """`kind`: the error's type, because its text may hold personal data."""
        for span in (*self.records.values(), self.batch):
            span.set_status(Status(StatusCode.ERROR, kind))
        self.end()

    def end(self) -> None:
        for span in (*self.records.values(), self.batch):
            span.end()


def start_spans(records: Sequence[ConsumerRecord], departments: Mapping[str, str]) -> BatchSpans:
    chosen = list(sampled(records))
    contexts = [remote_context(_traceparent(record)) for record in chosen[:MAX_LINKS]]
    links = [Link(trace.get_current_span(context).get_span_context()) for context in contexts if context]
    if not links:
        return BatchSpans(INVALID_SPAN, departments)
    batch = _tracer.start_span(
        "project batch",
        kind=SpanKind.CONSUMER,
        links=links,
        attributes={"messaging.system": "kafka", "messaging.batch.message_count": len(records)},
    )
    spans = {
        (record.topic, record.partition, record.offset): span
        for record in chosen
        if (span := _span_of(record, departments, batch))
    }
    return BatchSpans(batch, departments, spans)


def _span_of(record: ConsumerRecord, departments: Mapping[str, str], batch: Span) -> Span | None:
    """None if the record has no trace."""
    context = remote_context(_traceparent(record))
    if context is None:
        return None
    link = batch.get_span_context()
    return _tracer.start_span(
        f"process {record.topic}",
        context=context,
        kind=SpanKind.CONSUMER,
        links=[Link(link)] if link.is_valid else [],
        attributes={
            "messaging.system": "kafka",
            "messaging.operation.type": "process",
            "messaging.destination.name": record.topic,
            "messaging.destination.partition.id": str(record.partition),
            **subjects.attributes(record.key, department=departments[record.topic]),
        },
    )


def _traceparent(record: ConsumerRecord) -> str | None:
    for name, value in record.headers:
        if name == "traceparent" and value is not None:
            return str(value, "ascii", "replace")
    return None


def sampled(records: Sequence[ConsumerRecord]) -> Iterable[ConsumerRecord]:
    """At most `MAX_RECORD_SPANS`; none where no spans are exported: nobody would see them."""
    if not exports_spans():
        return
    found = 0
    for record in records:
        for name, value in record.headers:
            if name == "traceparent" and value is not None and value.endswith((b"-01", b"-03")):
                yield record
                found += 1
        if found >= MAX_RECORD_SPANS:
            return
