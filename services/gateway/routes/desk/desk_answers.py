"""What the certificate desk's JSON API answers."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from schemas.events import Reason, TakenBy
from services.gateway.case.submission.exception_wording import exception_sentences
from services.gateway.case.wording import ViewContext
from services.gateway.certificates.handover import Outcome
from services.gateway.certificates.verification import Finding
from services.gateway.read_model.types import ROSTER, FormVoid, OpenException
from services.gateway.routes.desk.current_desk import CheckedForm


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class DeskSession(_Answer):
    account: str
    csrf: str


class ExceptionAnswer(_Answer):
    name: str
    """What a hand-over confirms."""
    source: Literal["department", "roster"]
    department: str | None
    former_number: str | None
    reasons: tuple[Reason, ...]
    sentences: tuple[str, ...]
    opened_at: datetime


class VoidAnswer(_Answer):
    voided_at: datetime
    reason: str
    replaced_by: str | None


class UndoAnswer(_Answer):
    undone_at: datetime
    undone_by: str
    reason: str


class IssueAnswer(_Answer):
    command_id: UUID
    issued_at: datetime
    issued_by: str
    taken_by: TakenBy
    proxy_name: str | None
    confirmed: tuple[str, ...]
    reason: str
    undo: UndoAnswer | None


class DeskForm(_Answer):
    """As signed. `may_hand_over` is false for a void form and one handed over; exceptions need confirming."""

    form_number: str
    student_id: str
    name: str
    college: str
    major: str
    accepted_at: datetime
    case_number: int
    replaces: str | None
    void: VoidAnswer | None
    exceptions: tuple[ExceptionAnswer, ...]
    hand_overs: tuple[IssueAnswer, ...]
    may_hand_over: bool


class DeskAnswer(_Answer):
    """`form` only of a genuine one. `outcome` of a hand-over or an undo; `pending` is asked again with the same id."""

    finding: Finding
    form: DeskForm | None = None
    outcome: Outcome | None = None
    command_id: UUID | None = None


def desk_form(context: ViewContext, checked: CheckedForm) -> DeskForm | None:
    record, student = checked.genuine, checked.result.student
    if record is None or student is None:
        return None
    form = record.submission
    return DeskForm(
        form_number=form.form_number,
        student_id=student.student_id,
        name=student.name,
        college=student.college,
        major=student.major,
        accepted_at=form.accepted_at,
        case_number=form.case_number,
        replaces=form.replaces or None,
        void=_void(form.void) if form.void else None,
        exceptions=tuple(_exception(context, one) for one in record.exceptions),
        hand_overs=tuple(IssueAnswer.model_validate(one) for one in record.issues),
        may_hand_over=form.void is None and record.issue is None,
    )


def _void(void: FormVoid) -> VoidAnswer:
    return VoidAnswer(voided_at=void.voided_at, reason=void.reason, replaced_by=void.replaced_by or None)


def _exception(context: ViewContext, one: OpenException) -> ExceptionAnswer:
    of_roster = one.department == ROSTER
    return ExceptionAnswer(
        name=one.name,
        source="roster" if of_roster else "department",
        department=None if of_roster else one.department,
        former_number=one.former_number or None,
        reasons=one.reasons,
        sentences=exception_sentences(context, one),
        opened_at=one.opened_at,
    )
