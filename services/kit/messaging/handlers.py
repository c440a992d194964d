"""One event at a time: the `apply` of services whose traffic is small, inside the Inbox's transaction."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from aiokafka import ConsumerRecord
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from schemas.codec import Unreadable, read
from schemas.events import Message, SourceAlive
from services.kit.messaging.dead_letters import ApplyBatch, DeadLetter
from services.kit.messaging.offsets import Records
from services.kit.observability.telemetry import remote_context
from services.kit.postgres.pool import Connection

Handler = Callable[[Connection, Any], Awaitable[None]]
_log = structlog.get_logger(__name__)
_tracer = trace.get_tracer("lixiao.consumer")


def dispatch(handlers: Mapping[type[Message], Handler], *, speakers: Mapping[str, str] | None = None) -> ApplyBatch:
    """An `apply` that decodes every record and hands it to the handler of its type.

    What cannot be decoded is parked, and so is what a handler refuses with `Unreadable`, which it does before it
    writes anything. An event of the contract that this service has no handler for is passed over: a topic may carry
    several types. `speakers` maps a topic to the department that alone may speak on it.
    """
    speakers = speakers or {}

    async def apply(connection: Connection, records: Records, parked: list[DeadLetter]) -> None:
        for record in records:
            try:
                event = read(record.value, record.headers)
                _belongs(record, event)
                _is_its_own_word(event, speakers.get(record.topic))
            except Unreadable as error:
                parked.append(DeadLetter(record, str(error)))
                continue
            handler = handlers.get(type(event))
            if handler is not None:
                with _tracer.start_as_current_span(
                    f"process {record.topic}",
                    context=remote_context(header(record, "traceparent")),
                    kind=SpanKind.CONSUMER,
                    attributes={
                        "messaging.system": "kafka",
                        "messaging.operation.type": "process",
                        "messaging.destination.name": record.topic,
                    },
                ):
                    try:
                        await handler(connection, event)
                    except Unreadable as error:
                        _log.error("record refused", topic=record.topic, reason=str(error))
                        parked.append(DeadLetter(record, str(error)))

    return apply


def header(record: ConsumerRecord, name: str) -> str | None:
    """A header as text, or None when it is absent, null or not text."""
    for key, value in record.headers:
        if key == name and value is not None:
            try:
                return str(value, "ascii")
            except UnicodeDecodeError:
                return None
    return None


def _is_its_own_word(event: Message, speaker: str | None) -> None:
    if speaker is not None and getattr(event, "department", speaker) != speaker:
        raise Unreadable("department: the topic is another department's")


def _belongs(record: ConsumerRecord, event: Message) -> None:
    """A record under another student's key would break the order of events, so it is not this student's."""
    student_id = getattr(event, "student_id", None)
    if not isinstance(event, SourceAlive) and (record.key or b"").decode("utf-8", "replace") != student_id:
        raise Unreadable("the record's key is not its student_id")
