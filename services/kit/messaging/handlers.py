"""Typed event handlers, on FastStream's extension points.

    router = TransactionalRouter(group=topics.group("library"))
    events = router.subscriber(topics.case, topics.submission)

    @events(filter=carries(CaseChanged))
    async def case_changed(event: CaseChanged, connection: Transaction) -> None: ...

Handlers share the batch's transaction, and may raise `Unreadable` before writing.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Final

import structlog
from aiokafka import ConsumerRecord
from faststream import BaseMiddleware, Depends
from faststream.exceptions import SubscriberNotFound
from faststream.message import StreamMessage
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode

from schemas.codec import Unreadable, is_tombstone, read
from schemas.events import Message, RepublicationAsked, SourceAlive, Tombstone
from schemas.student_ids import is_canonical_student_id
from services.kit.messaging.dead_letters.store import DeadLetter
from services.kit.observability import subjects
from services.kit.observability.telemetry import exports_spans, remote_context
from services.kit.postgres.pool import Connection

DEAD_LETTERS: Final = "dead_letters"
"""Key in FastStream's context while a batch is applied."""
OPEN_CONNECTION: Final[ContextVar[Any]] = ContextVar("open_connection")


async def open_connection() -> Any:
    """A coroutine: FastStream runs others in a thread."""
    return OPEN_CONNECTION.get()


if TYPE_CHECKING:
    Transaction = Connection
else:
    Transaction = Annotated[Any, Depends(open_connection)]
"""The batch's connection, with its transaction open."""


class Share(tuple[ConsumerRecord, ...]):
    """A batch as its handler gets it. `ahead`: what was made of all of it before its transaction, if anything was."""

    ahead: Any = None


EventDecoder = Callable[[StreamMessage[Any]], Awaitable[Any]]
_log = structlog.get_logger(__name__)
_tracer = trace.get_tracer("lixiao.consumer")


def event_decoder(producers: Mapping[str, str] | None = None) -> EventDecoder:
    """`producers`: topic → the one department that may write there.

    The decoder raises `Unreadable`, also under another student's key, which would break the order.
    """
    producers = producers or {}

    async def decode(message: StreamMessage[ConsumerRecord]) -> Message:
        record = message.raw_message
        if is_tombstone(record.value, record.headers):
            return tombstone(record)
        event = read(record.value, record.headers)
        named = "department" if isinstance(event, RepublicationAsked) else "student_id"
        key = (record.key or b"").decode("utf-8", "replace")
        # Of an event that names nobody, as an audit's head: on a topic of students' events it has no place.
        if not isinstance(event, SourceAlive) and key != getattr(event, named, None):
            raise Unreadable(f"the record's key is not its {named}")
        producer = producers.get(record.topic)
        if producer is not None and getattr(event, "department", producer) != producer:
            raise Unreadable("department: the topic is another department's")
        return event

    return decode


def tombstone(record: ConsumerRecord) -> Tombstone:
    """Of a record that is one. Raises `Unreadable`: under another key it forgets nobody."""
    key = (record.key or b"").decode("ascii", "replace")
    if not is_canonical_student_id(key):
        raise Unreadable("the record has no value, and its key is no student id")
    return Tombstone(student_id=key, topic=record.topic)


class carries:
    """A handler's filter: records of one event."""

    def __init__(self, event: type[Message]) -> None:
        self.event = event

    async def __call__(self, message: StreamMessage[Any]) -> bool:
        return type(await message.decode()) is self.event


def span_of(record: ConsumerRecord) -> Span:
    """In the event's trace. Where no spans are exported its sender's stands for it: nobody would see another."""
    context = remote_context(header(record, "traceparent"))
    if context is not None and not exports_spans():
        return trace.get_current_span(context)
    return _tracer.start_span(
        f"process {record.topic}",
        context=context,
        kind=SpanKind.CONSUMER,
        attributes={
            "messaging.system": "kafka",
            "messaging.operation.type": "process",
            "messaging.destination.name": record.topic,
            **subjects.attributes(record.key),
        },
    )


def note_refused(span: Span) -> None:
    span.set_attribute(subjects.OUTCOME, "unreadable")
    span.set_status(StatusCode.ERROR)


class RecordMiddleware(BaseMiddleware[Any, Any]):
    """A span in the event's trace; unreadable records become dead letters.

    Events without a handler are skipped: topics carry several types.
    """

    _decoded = False

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: StreamMessage[Any]) -> Any:
        self._decoded = True
        span = span_of(self.msg)
        with trace.use_span(span, end_on_exit=True):
            try:
                return await call_next(msg)
            except Unreadable as error:
                note_refused(span)
                _log.error("record.refused", topic=self.msg.topic, reason=str(error))
                self._dead_letter(error)
                return None

    async def after_processed(
        self,
        exc_type: type[BaseException] | None = None,
        exc_val: BaseException | None = None,
        exc_tb: TracebackType | None = None,
    ) -> bool | None:
        if isinstance(exc_val, Unreadable):
            self._dead_letter(exc_val)
            return True
        return isinstance(exc_val, SubscriberNotFound)

    def _dead_letter(self, error: Unreadable) -> None:
        self.context.get(DEAD_LETTERS).append(DeadLetter(self.msg, str(error), decoded=self._decoded))


def header(record: ConsumerRecord, name: str) -> str | None:
    """None when absent, null or not text."""
    for key, value in record.headers:
        if key == name and value is not None:
            try:
                return str(value, "ascii")
            except UnicodeDecodeError:
                return None
    return None
