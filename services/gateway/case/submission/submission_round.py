"""How far a submission is, and how the last one ended. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from schemas.attempts import AttemptState
from schemas.events import AttestationOutcome, Reason
from services.gateway.read_model.types import Attempt, Command, CommandState, Submission


class SubmissionState(StrEnum):
    OPEN_ITEMS = "open-items"
    READY = "ready"
    ASKED = "asked"
    DONE = "done"
    UNAVAILABLE = "unavailable"
    """There is no open case, or it cannot be read."""


@dataclass(frozen=True, slots=True)
class SubmissionRefusal:
    """`objections` are by department."""

    at: datetime
    cause: str
    objections: Mapping[str, tuple[Reason, ...]]


@dataclass(frozen=True, slots=True)
class SubmissionProgress:
    """`command` is the newest requested here, `answers` are by department."""

    state: SubmissionState
    command: Command | None = None
    answers: Mapping[str, AttestationOutcome] = field(default_factory=dict)
    refusal: SubmissionRefusal | None = None


def since_last_form(
    command: Command | None, attempt: Attempt | None, forms: Sequence[Submission]
) -> tuple[Command | None, Attempt | None]:
    """Without those that led to a form or came before it: what is void or of an earlier case says nothing of now."""
    if not forms:
        return command, attempt
    if command is not None and command.forms_before < len(forms):
        command = None
    if attempt is not None and attempt.opened_at <= forms[-1].accepted_at:
        attempt = None
    return command, attempt


def round_open(command: Command | None, attempt: Attempt | None) -> bool:
    if attempt is not None and attempt.state is AttemptState.OPEN:
        return True
    if command is None or command.state is CommandState.REFUSED:
        return False
    # The read model may know an attempt's end before its event has reached the gateway.
    return attempt is None or attempt.attempt_id != command.command_id or attempt.state is AttemptState.ACCEPTED


def answers_so_far(command: Command | None, attempt: Attempt | None) -> Mapping[str, AttestationOutcome]:
    return attempt.answers if attempt and (command is None or attempt.attempt_id == command.command_id) else {}


def last_refusal(command: Command | None, attempt: Attempt | None) -> SubmissionRefusal | None:
    ends = []
    if command is not None and command.state is CommandState.REFUSED:
        ends.append(SubmissionRefusal(command.ended_at or command.asked_at, command.cause, command.objections))
    if attempt is not None and attempt.state in (AttemptState.REFUSED, AttemptState.EXPIRED):
        ends.append(SubmissionRefusal(attempt.ended_at or attempt.opened_at, attempt.cause, attempt.objections))
    return max(ends, key=lambda end: end.at, default=None)
