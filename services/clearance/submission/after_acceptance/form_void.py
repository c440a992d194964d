"""Voiding a form: it stays as it was accepted, and its student may submit again. Decided by two persons."""

from functools import partial
from typing import Annotated, Any, Final

from pydantic import Field

from schemas.events import FormNumber
from services.clearance.approvals.actions import Action, ActionRefused, Approved, ProposalBody
from services.clearance.roster import case_store
from services.clearance.roster.roster import Roster
from services.kit.audit import log
from services.kit.names import APPROVER, FORM_VOID
from services.kit.postgres.pool import Connection

NAME: Final = "void-form"
_FORM: Final = """
SELECT attempt_id, student_id, case_number, sequence,
       EXISTS (SELECT FROM form_void WHERE form_void.attempt_id = submission.attempt_id) AS void,
       EXISTS (SELECT FROM standing_issue WHERE standing_issue.attempt_id = submission.attempt_id) AS handed_over
FROM submission WHERE form_number = $1 AND student_id = $2 FOR UPDATE
"""
_VOID: Final = """
INSERT INTO form_void (attempt_id, student_id, case_number, sequence, reason, voided_by, confirmed_by, voided_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""


class VoidBody(ProposalBody):
    """`reason` is shown to the student and at the certificate desk."""

    form_number: Annotated[FormNumber, Field(description="As printed.", examples=["2026-K7M3R-X4Q9T-H"])]


def void_action(roster: Roster) -> Action[VoidBody]:
    return Action(
        name=NAME,
        summary="Void a form: it is not handed over, and its student may submit again",
        body=VoidBody,
        proposes=FORM_VOID,
        confirms=APPROVER,
        check=_lock,
        apply=partial(_apply, roster),
        examples=(
            {"student_id": "TS20260001", "form_number": "2026-K7M3R-X4Q9T-H", "reason": "姓名有误，更正后重新提交"},
        ),
    )


async def _apply(roster: Roster, connection: Connection, approved: Approved[VoidBody]) -> None:
    """The caller holds the student's case locked."""
    body = approved.body
    form = await _lock(connection, body)
    case = await case_store.lock(connection, body.student_id)
    assert case is not None
    await connection.execute(
        _VOID,
        form["attempt_id"],
        body.student_id,
        form["case_number"],
        form["sequence"],
        body.reason,
        approved.proposed_by,
        approved.confirmed_by,
        approved.at,
    )
    # A form of an earlier case is not replaced: what comes next is the newest case's.
    if case.case_number == form["case_number"]:
        await roster.reopen(connection, case, now=approved.at)
    await log.append_entry(
        connection,
        actor=approved.confirmed_by,
        act="form.void",
        outcome="voided",
        student_id=body.student_id,
        details={
            "form": body.form_number,
            "case": form["case_number"],
            "reason": body.reason,
            "proposal": approved.proposal_id,
            "proposed_by": approved.proposed_by,
        },
    )


async def _lock(connection: Connection, body: VoidBody) -> Any:
    """The form, which stands and was not handed over. Raises `ActionRefused`."""
    form = await connection.fetchrow(_FORM, body.form_number, body.student_id)
    if form is None:
        remedy = "Compare number and form with the student's submission."
        raise ActionRefused("unknown-form", "The student has no such form", remedy=remedy, field="/form_number")
    if form["void"]:
        raise ActionRefused("form-void", "The form is void already", field="/form_number")
    if form["handed_over"]:
        remedy = "Undo the hand-over at the certificate desk first, with the reason."
        raise ActionRefused("handed-over", "The certificates were handed over", remedy=remedy, field="/form_number")
    return form
