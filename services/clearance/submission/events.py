"""Events of attempts: published, and how an end is published again."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from schemas.attempts import AttemptState
from schemas.events import CaseChanged, SubmissionAccepted, SubmissionRefused, SubmissionRequested
from services.clearance.roster.case_store import SOURCE
from services.clearance.submission import submission_store
from services.clearance.submission.attempts.attempt_store import Attempt
from services.kit.audit import log
from services.kit.messaging import outbox
from services.kit.names import VIEW_CHANNEL
from services.kit.observability import subjects
from services.kit.postgres.pool import Connection

SubmissionEvent = SubmissionRequested | SubmissionAccepted | SubmissionRefused
_WRITE: Final = f"""
WITH noted AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
    AS noted (actor, act, outcome, student_id, details)
), {log.entries_of_each("noted")}, sent AS (
    INSERT INTO outbox (topic, key, value, traceparent)
    SELECT * FROM unnest($6::text[], $7::bytea[], $8::bytea[], $9::text[])
)
SELECT pg_notify($10, '')
"""


class Outgoing:
    """What a set of events leads to besides its rows: events for the relay, entries of the audit, and news for pages.

    Noted in the trace of the event that leads to it; written by one statement.
    """

    def __init__(self) -> None:
        self._events: list[outbox.Columns] = []
        self._entries: list[tuple[str, str, str, str, str]] = []

    def publish(self, topic: str, *events: SubmissionEvent | CaseChanged) -> None:
        now = datetime.now(UTC)
        self._events += [
            outbox.columns(topic=topic, key=event.student_id, event=event, source=SOURCE, now=now) for event in events
        ]

    def note(self, *, actor: str, act: str, outcome: str, student_id: str, details: Mapping[str, Any]) -> None:
        subjects.describe_current(student_id, act=act, outcome=outcome)
        self._entries.append((actor, act, outcome, student_id, log.details_text(details)))

    async def write(self, connection: Connection) -> None:
        """Pages are notified even without any: the set may have changed what they show."""
        values = (*_by_column(self._entries, 5), *_by_column(self._events, 4))
        await connection.execute(_WRITE, *values, VIEW_CHANNEL)


async def ended_event(connection: Connection, attempt: Attempt) -> SubmissionAccepted | SubmissionRefused | None:
    """A part's form is the one of its attempt. None without that form."""
    if attempt.state is not AttemptState.ACCEPTED:
        return attempt.refused_event()
    accepted = await submission_store.accepted_event(connection, attempt.parent_id or attempt.attempt_id)
    return accepted and of_part(accepted, attempt)


def of_part(accepted: SubmissionAccepted, part: Attempt) -> SubmissionAccepted:
    return accepted.model_copy(update={"attempt_id": part.attempt_id, "student_id": part.student_id})


async def publish(connection: Connection, topic: str, *events: SubmissionEvent) -> None:
    for event in events:
        now = datetime.now(UTC)
        await outbox.append(connection, topic=topic, key=event.student_id, event=event, source=SOURCE, now=now)


def _by_column(rows: Sequence[tuple[Any, ...]], count: int) -> Sequence[Sequence[Any]]:
    return list(zip(*rows, strict=True)) if rows else [()] * count
