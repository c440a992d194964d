"""Events of attempts: published, and how an end is published again."""

from datetime import UTC, datetime

from schemas.attempts import AttemptState
from schemas.events import SubmissionAccepted, SubmissionRefused, SubmissionRequested
from services.clearance.roster.case_store import SOURCE
from services.clearance.submission import submission_store
from services.clearance.submission.attempts.attempt_store import Attempt
from services.kit.messaging import outbox
from services.kit.postgres.pool import Connection

SubmissionEvent = SubmissionRequested | SubmissionAccepted | SubmissionRefused


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
