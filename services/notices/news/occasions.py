"""Occasions of a notice, each with an id made of what happened. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

from schemas.events import CaseState, ReminderAsked, StatusChanged, SubmissionAccepted, SubmissionRefused
from services.notices.news.turns import LineState, Turn

_NAMES: Final = UUID("b0b8a5f6-4a3b-5c0c-9b8e-6f0c2f5c7d11")
SUBMISSION: Final = "submission"
"""Subject of how a submission ended."""


class Kind(StrEnum):
    LINE = "line"
    """A line passed, or needs the student."""
    AFTERWARDS = "afterwards"
    """The same, after the submission was accepted."""
    ACCEPTED = "accepted"
    REFUSED = "refused"
    REMINDER = "reminder"
    """Staff remind of a line that is open."""


AT_ONCE: Final = frozenset({Kind.AFTERWARDS, Kind.ACCEPTED, Kind.REFUSED, Kind.REMINDER})
"""Waits for no window."""
_TOLD_STATES: Final = (CaseState.OPEN, CaseState.COMPLETED)


@dataclass(frozen=True, slots=True)
class Occasion:
    """`subject` of a line is `department/check`; `number` orders the occasions of one subject."""

    occasion_id: UUID
    student_id: str
    kind: Kind
    subject: str
    number: int
    before: LineState | None = None
    after: LineState | None = None


def of_turns(event: StatusChanged, turned: Iterable[Turn], state: CaseState | None) -> tuple[Occasion, ...]:
    """`state`: of the student's case, None before it is known. Nobody reads a page of a case that is not served."""
    if state not in (None, *_TOLD_STATES):
        return ()
    kind = Kind.AFTERWARDS if state is CaseState.COMPLETED else Kind.LINE
    return tuple(
        Occasion(
            _id(event.student_id, f"{event.department}/{turn.check}", str(event.version)),
            event.student_id,
            kind,
            f"{event.department}/{turn.check}",
            event.version,
            turn.before,
            turn.after,
        )
        for turn in turned
    )


def of_end(event: SubmissionAccepted | SubmissionRefused) -> Occasion:
    kind = Kind.ACCEPTED if isinstance(event, SubmissionAccepted) else Kind.REFUSED
    at = event.accepted_at if isinstance(event, SubmissionAccepted) else event.refused_at
    identity = _id(event.student_id, SUBMISSION, str(event.attempt_id))
    return Occasion(identity, event.student_id, kind, SUBMISSION, int(at.timestamp()))


def of_reminder(event: ReminderAsked, subjects: Iterable[str]) -> tuple[Occasion, ...]:
    """Of these lines of it."""
    press, at = str(event.reminder_id), int(event.asked_at.timestamp())
    return tuple(
        Occasion(_id(event.student_id, subject, press), event.student_id, Kind.REMINDER, subject, at)
        for subject in subjects
    )


def notice_id(channel: str, occasions: Iterable[UUID]) -> UUID:
    """The same for the same, also after a restore: receivers drop a second message with its id."""
    return uuid5(_NAMES, "\n".join((channel, *sorted(map(str, occasions)))))


def _id(*parts: str) -> UUID:
    return uuid5(_NAMES, "\n".join(parts))
