"""Accepted submissions in PostgreSQL, at most one that stands for each case, in the caller's transaction."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from schemas.codec import MAX_EVENT_BYTES
from schemas.events import AcceptedForm, AttestedFacts, FormWaiver, SubmissionAccepted
from services.clearance.receipts.payload import Receipt
from services.clearance.roster.cases import Student
from services.kit.postgres.pool import Connection
from services.kit.rules.waivers import Waiver, waiver_list

_ENVELOPE_BYTES: Final = 2048


@dataclass(frozen=True, slots=True)
class Position:
    """Of a form: the case, and which form of the case; `replaces` is the number of the void one before."""

    case_number: int
    sequence: int = 1
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """`student` is the roster's data as accepted."""

    student: Student
    position: Position
    attempt_id: UUID
    form_number: str
    code: str
    accepted_at: datetime
    facts: Mapping[str, Any]
    former: Mapping[str, Any]
    receipt: Receipt
    kid: str

    def accepted_event(self) -> SubmissionAccepted:
        return SubmissionAccepted(
            attempt_id=self.attempt_id,
            student_id=self.student.student_id,
            form_number=self.form_number,
            accepted_at=self.accepted_at,
        )


def with_form(
    submission: Submission, opened_at: datetime, expires_at: datetime, waivers: Sequence[Waiver]
) -> SubmissionAccepted:
    """The acceptance, with what a database from before it needs. Too large an event leaves the facts out, or all."""
    form = AcceptedForm(
        case_number=submission.position.case_number,
        sequence=submission.position.sequence,
        receipt=submission.receipt.text,
        student=submission.student.model_dump(mode="json"),
        facts={name: AttestedFacts.model_validate(given) for name, given in submission.facts.items()},
        former={
            number: {name: AttestedFacts.model_validate(given) for name, given in of.items()}
            for number, of in submission.former.items()
        },
        waivers=tuple(FormWaiver.model_validate(waiver.model_dump(mode="json")) for waiver in waivers),
        opened_at=opened_at,
        expires_at=expires_at,
    )
    accepted = submission.accepted_event()
    for said in (form, _without_facts(form)):
        event = accepted.model_copy(update={"form": said})
        if len(event.model_dump_json().encode()) <= MAX_EVENT_BYTES - _ENVELOPE_BYTES:
            return event
    return accepted


def _without_facts(form: AcceptedForm) -> AcceptedForm:
    """They are in the receipt too, or their digest."""
    facts = {
        name: given.model_copy(update={"checks": tuple(one.model_copy(update={"facts": {}}) for one in given.checks)})
        for name, given in form.facts.items()
    }
    return form.model_copy(update={"facts": facts})


async def add(connection: Connection, submission: Submission) -> None:
    """Keys refuse a second form of the case that does not follow a void one."""
    await connection.execute(
        """
        INSERT INTO submission (student_id, attempt_id, form_number, code, accepted_at, facts, receipt, qr_text, kid,
                                case_number, sequence, student, former)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        """,
        submission.student.student_id,
        submission.attempt_id,
        submission.form_number,
        submission.code,
        submission.accepted_at,
        json.dumps(submission.facts, ensure_ascii=False),
        submission.receipt.text,
        submission.receipt.qr_text,
        submission.kid,
        submission.position.case_number,
        submission.position.sequence,
        submission.student.model_dump_json(),
        json.dumps(submission.former, ensure_ascii=False),
    )


async def next_position(connection: Connection, student_id: str, case_number: int) -> Position:
    """Behind the newest form of the case."""
    row = await connection.fetchrow(
        "SELECT sequence, form_number FROM submission WHERE student_id = $1 AND case_number = $2"
        " ORDER BY sequence DESC LIMIT 1",
        student_id,
        case_number,
    )
    return Position(case_number, row["sequence"] + 1, row["form_number"]) if row else Position(case_number)


async def standing_event(connection: Connection, student_id: str, case_number: int) -> SubmissionAccepted | None:
    """The acceptance of the form of this case that stands."""
    return await _accepted(
        connection, f"{_STANDING} WHERE form.student_id = $1 AND form.case_number = $2", student_id, case_number
    )


async def accepted_event(connection: Connection, attempt_id: UUID) -> SubmissionAccepted | None:
    """The acceptance of this attempt, also if its form is void now."""
    return await _accepted(connection, f"{_ANY} WHERE form.attempt_id = $1", attempt_id)


async def _accepted(connection: Connection, query: str, *values: object) -> SubmissionAccepted | None:
    row = await connection.fetchrow(query, *values)
    return with_form(_submission(row), row["opened_at"], row["expires_at"], _waivers(row)) if row else None


def _submission(row: Any) -> Submission:
    student = json.loads(row["student"])
    student["enrolled_on"] = date.fromisoformat(student["enrolled_on"])
    return Submission(
        # Not validated again: stored data was valid by the rules of its day.
        student=Student.model_construct(**student),
        position=Position(row["case_number"], row["sequence"]),
        attempt_id=row["attempt_id"],
        form_number=row["form_number"],
        code=row["code"],
        accepted_at=row["accepted_at"],
        facts=json.loads(row["facts"]),
        former=json.loads(row["former"]),
        receipt=Receipt(row["receipt"], row["qr_text"]),
        kid=row["kid"],
    )


def _waivers(row: Any) -> tuple[Waiver, ...]:
    return waiver_list.validate_json(row["waivers"]) if row["waivers"] else ()


_EVENT: Final = """
SELECT form.*, attempt.opened_at, attempt.expires_at, attempt_waiver.waivers
FROM {} AS form JOIN attempt USING (attempt_id) LEFT JOIN attempt_waiver USING (attempt_id)
"""
_ANY: Final = _EVENT.format("submission")
_STANDING: Final = _EVENT.format("standing_submission")
