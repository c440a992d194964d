"""Events of a batch in sets, each for one handler at once: of one type, and of a student no more than one, unless the
handler takes several in their order.

A set is read, decided and written by a few statements, however many events it has: a statement costs more than a
decision. Sets keep the order of one student's events, which is all the order that topics promise.
"""

from collections.abc import Awaitable, Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog
from aiokafka import ConsumerRecord
from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, Span

from schemas.codec import Unreadable
from schemas.events import Message
from services.kit.messaging.dead_letters.store import DeadLetter
from services.kit.messaging.handlers import note_refused
from services.kit.postgres.pool import Connection

E = TypeVar("E", bound=Message)
E_co = TypeVar("E_co", bound=Message, covariant=True)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Received(Generic[E_co]):
    """An event with its span."""

    event: E_co
    span: Span = INVALID_SPAN
    record: ConsumerRecord = None

    @contextmanager
    def traced(self) -> Iterator[None]:
        """What is written here names the event's trace: rows for the relay and entries of the audit."""
        with trace.use_span(self.span, record_exception=False, set_status_on_exception=False):
            yield


SetHandler = Callable[[Connection, Sequence[Received[E]]], Awaitable[list[DeadLetter] | None]]
"""Returns those it has refused. Or raises `Unreadable` before it has written anything that a repetition would write
again: then each event is handled alone, and the one that is refused becomes a dead letter."""


def in_sets(received: Sequence[Received[Any]], several: Container[type[Message]] = ()) -> list[list[Received[Any]]]:
    """Pure. Events of one key follow one another in their order, each in a later set than the one before; or in the
    same set, behind one another, if they are of the same type and that is one of `several`."""
    sets: list[list[Received[Any]]] = []
    following: dict[object, int] = {}
    for one in received:
        key = one.record.key if one.record is not None else getattr(one.event, "student_id", None)
        kind, at = type(one.event), following.get(key, 0)
        while at < len(sets) and type(sets[at][0].event) is not kind:
            at += 1
        if at == len(sets):
            sets.append([])
        sets[at].append(one)
        following[key] = at if kind in several else at + 1
    return sets


async def apply_set(
    handler: SetHandler[Any], connection: Connection, received: Sequence[Received[Any]]
) -> list[DeadLetter]:
    """Returns the refused ones."""
    try:
        return await handler(connection, received) or []
    except Unreadable as error:
        if len(received) > 1:
            return [letter for one in received for letter in await apply_set(handler, connection, [one])]
        return [refused(received[0], error)]


def refused(one: Received[Any], error: Unreadable) -> DeadLetter:
    note_refused(one.span)
    _log.error("record.refused", topic=one.record.topic, reason=str(error))
    return DeadLetter(one.record, str(error), decoded=True)
