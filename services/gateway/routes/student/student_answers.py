"""A student's case as JSON: codes, and the visitor's language."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from schemas.events import CaseState, Reason
from services.gateway.case.checks import check_title
from services.gateway.case.comments import may_comment, shown_comment
from services.gateway.case.decision import CheckState, WaitingReason
from services.gateway.case.headline import headline, obstacle_message
from services.gateway.case.progress import CaseProgress, CheckProgress
from services.gateway.case.submission.eligibility import Eligibility, Obstacle
from services.gateway.case.submission.submission_round import SubmissionState
from services.gateway.case.wording import ViewContext, next_steps, notes, refusal_sentences
from services.gateway.read_model.types import Case, Command, CommandState, Submission
from services.gateway.routes.dependencies import RETRY
from services.kit.http.problems import Problem
from services.kit.rules.waivers import Waiver, WaiverKind


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class MeAnswer(_Answer):
    student_id: str
    csrf: str
    """Send it as X-CSRF-Token with every POST and PUT."""
    signed_in_until: datetime


class WaiverAnswer(_Answer):
    """`until` is the last day; null for a rule of the university."""

    kind: WaiverKind
    reason: str
    until: date | None


class CommentAnswer(_Answer):
    """`answer` is null while the department has not answered."""

    text: str
    asked_at: datetime
    answer: str | None
    answered_at: datetime | None


class CheckAnswer(_Answer):
    """`waiting` is not a pass; `waiting_reason` is why nothing better is known.

    `waived`: the student does not need it. `reasons` and `facts` are what the department says all the same.
    """

    department: str
    check: str
    title: str
    former_number: str | None
    """It is about a former number of the person; only what does not pass there is listed."""
    state: CheckState
    waiting_reason: WaitingReason | None
    reasons: tuple[Reason, ...]
    todo: tuple[str, ...]
    notes: tuple[str, ...]
    """Whatever the state."""
    waiver: WaiverAnswer | None
    facts: dict[str, JsonValue]
    version: int | None
    occurred_at: datetime | None
    received_at: datetime | None
    alive_as_of: datetime | None
    phones: tuple[str, ...]
    command: str | None
    """May be requested now."""
    comment: CommentAnswer | None
    """The newest that the student wrote about it; null also while an open one needs no answer, as the check passed."""
    may_comment: bool
    """On its page."""


class SubmissionAnswer(_Answer):
    """`form_number` is there when the state is `done`."""

    state: Literal["open-items", "ready", "asked", "done"]
    form_number: str | None = None
    accepted_at: datetime | None = None
    refusal: str | None = None
    refusal_reasons: tuple[str, ...] = ()


class FormAnswer(_Answer):
    """One accepted submission. `handed_over_at` of a hand-over that stands."""

    form_number: str
    case_number: int
    accepted_at: datetime
    handed_over_at: datetime | None
    replaces: str | None
    voided_at: datetime | None
    void_reason: str | None
    replaced_by: str | None


class CaseAnswer(_Answer):
    """`forms`: of every case of the number, void ones too, oldest first."""

    student_id: str
    case_number: int
    state: CaseState
    name: str
    gender: str
    grade: str
    college: str
    major: str
    enrolled_on: date | None
    leave_category: str
    opened_on: date | None
    summary: str
    checks: tuple[CheckAnswer, ...]
    submission: SubmissionAnswer
    forms: tuple[FormAnswer, ...]


class CommandAnswer(_Answer):
    """The command of this name that is open or was accepted, from whichever device."""

    command_id: UUID
    department: str
    name: str
    state: CommandState
    asked_at: datetime
    ended_at: datetime | None


class FavouriteAnswer(_Answer):
    kept: bool


def case_answer(context: ViewContext, case: Case, progress: CaseProgress) -> CaseAnswer:
    return CaseAnswer(
        **{name: getattr(case, name) for name in CaseAnswer.model_fields if hasattr(case, name)},
        summary=headline(context, progress).sentence,
        checks=check_answers(context, progress),
        submission=submission_answer(context, progress),
        forms=tuple(_form_answer(form) for form in progress.forms),
    )


def _form_answer(form: Submission) -> FormAnswer:
    void = form.void
    return FormAnswer(
        form_number=form.form_number,
        case_number=form.case_number,
        accepted_at=form.accepted_at,
        handed_over_at=form.issued_at,
        replaces=form.replaces or None,
        voided_at=void.voided_at if void else None,
        void_reason=void.reason if void else None,
        replaced_by=(void.replaced_by or None) if void else None,
    )


def check_answers(context: ViewContext, progress: CaseProgress) -> tuple[CheckAnswer, ...]:
    return tuple(_check_answer(context, one) for one in progress.checks)


def _check_answer(context: ViewContext, progress: CheckProgress) -> CheckAnswer:
    result, received, reported = progress.result, progress.received, progress.reported
    offer, command = progress.check.command, progress.command
    return CheckAnswer(
        department=result.department,
        check=result.check,
        title=check_title(context.texts, progress),
        former_number=progress.former_number or None,
        state=result.state,
        waiting_reason=result.waiting_reason,
        reasons=result.reasons,
        todo=next_steps(context, progress),
        notes=notes(context.texts, progress.check, reported.facts if reported else {}),
        waiver=_waiver_answer(context, progress.waiver) if progress.waiver else None,
        facts=reported.facts if reported else {},
        version=received.status.version if received else None,
        occurred_at=received.status.occurred_at if received else None,
        received_at=received.received_at if received else None,
        alive_as_of=received.alive_as_of if received else None,
        phones=progress.check.phones,
        command=offer.name if offer and command and command.offered else None,
        comment=_comment_answer(progress),
        may_comment=may_comment(progress),
    )


def _comment_answer(progress: CheckProgress) -> CommentAnswer | None:
    comment = shown_comment(progress)
    if comment is None:
        return None
    return CommentAnswer(
        text=comment.text,
        asked_at=comment.asked_at,
        answer=comment.answer if comment.answered_at else None,
        answered_at=comment.answered_at,
    )


def _waiver_answer(context: ViewContext, waiver: Waiver) -> WaiverAnswer:
    return WaiverAnswer(kind=waiver.kind, reason=waiver.reason_in(context.language), until=waiver.until)


def submission_answer(context: ViewContext, progress: CaseProgress) -> SubmissionAnswer:
    state, accepted = progress.submission.state, progress.accepted
    refusal, objections = refusal_sentences(context, progress.submission.refusal)
    return SubmissionAnswer(
        state="open-items" if state is SubmissionState.UNAVAILABLE else state.value,
        form_number=accepted.form_number if accepted else None,
        accepted_at=accepted.accepted_at if accepted else None,
        refusal=refusal or None,
        refusal_reasons=objections,
    )


def command_answer(command: Command) -> CommandAnswer:
    return CommandAnswer(
        command_id=command.command_id,
        department=command.department,
        name=command.name,
        state=command.state,
        asked_at=command.asked_at,
        ended_at=command.ended_at,
    )


def obstacle_problem(context: ViewContext, progress: CaseProgress, eligibility: Eligibility) -> Problem:
    """404, 409 or 503. `open` lists the checks in the way."""
    if eligibility.obstacle is Obstacle.NO_SUCH_COMMAND:
        return Problem(404, eligibility.obstacle, title="No department has this command")
    unreadable = eligibility.obstacle is Obstacle.UNREADABLE
    title, paragraphs = obstacle_message(context, progress, eligibility)
    items: list[dict[str, Any]] = [
        {
            "check": one.anchor,
            "title": check_title(context.texts, one),
            "todo": list(next_steps(context, one)),
        }
        for one in eligibility.open_checks
    ]
    return Problem(
        503 if unreadable else 409,
        eligibility.obstacle or "",
        title=title,
        detail=" ".join(paragraphs),
        extensions={"open": items},
        headers=RETRY if unreadable else None,
    )
