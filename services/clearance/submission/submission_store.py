"""Accepted submissions in PostgreSQL, at most one that stands for each case, in the caller's transaction."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from schemas.codec import MAX_EVENT_BYTES
from schemas.events import AcceptedForm, AttestedFacts, FormWaiver, SubmissionAccepted
from services.clearance.receipts.payload import Receipt
from services.clearance.roster.cases import Student, kept_student
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
    """They are in the receipt too, or their digest; those of former numbers are clear, and in none."""
    former = {number: _checks_alone(of) for number, of in form.former.items()}
    return form.model_copy(update={"facts": _checks_alone(form.facts), "former": former})


def _checks_alone(facts: Mapping[str, AttestedFacts]) -> dict[str, AttestedFacts]:
    return {
        name: given.model_copy(update={"checks": tuple(one.model_copy(update={"facts": {}}) for one in given.checks)})
        for name, given in facts.items()
    }


async def add_each(connection: Connection, submissions: Sequence[Submission]) -> None:
    """Keys refuse a second form of a case that does not follow a void one."""
    rows = [
        (
            one.student.student_id,
            one.attempt_id,
            one.form_number,
            one.code,
            one.accepted_at,
            json.dumps(one.facts, ensure_ascii=False),
            one.receipt.text,
            one.receipt.qr_text,
            one.kid,
            one.position.case_number,
            one.position.sequence,
            one.student.model_dump_json(),
            json.dumps(one.former, ensure_ascii=False),
        )
        for one in submissions
    ]
    await connection.execute(_ADD, *zip(*rows, strict=True))


async def next_positions(connection: Connection, cases: Mapping[str, int]) -> dict[str, Position]:
    """Behind the newest form of each case. `cases`: case number by student."""
    rows = await connection.fetch(_NEWEST, list(cases), list(cases.values()))
    newest = {row["student_id"]: Position(row["case_number"], row["sequence"] + 1, row["form_number"]) for row in rows}
    return {student_id: newest.get(student_id, Position(number)) for student_id, number in cases.items()}


async def standing_events(connection: Connection, cases: Mapping[str, int]) -> dict[str, SubmissionAccepted]:
    """By student, the acceptance of the form that stands, of those with one. `cases`: case number by student."""
    rows = await connection.fetch(_STANDING_OF_EACH, list(cases), list(cases.values()))
    return {row["student_id"]: _event(row) for row in rows}


async def accepted_event(connection: Connection, attempt_id: UUID) -> SubmissionAccepted | None:
    """The acceptance of this attempt, also if its form is void now."""
    row = await connection.fetchrow(f"{_ANY} WHERE form.attempt_id = $1", attempt_id)
    return _event(row) if row else None


def _event(row: Any) -> SubmissionAccepted:
    return with_form(_submission(row), row["opened_at"], row["expires_at"], _waivers(row))


def _submission(row: Any) -> Submission:
    return Submission(
        student=kept_student(json.loads(row["student"])),
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
_STANDING_OF_EACH: Final = f"""
{_EVENT.format("standing_submission")}
JOIN unnest($1::text[], $2::int[]) AS asked (student_id, case_number)
    ON (form.student_id, form.case_number) = (asked.student_id, asked.case_number)
"""
_NEWEST: Final = """
SELECT DISTINCT ON (student_id, case_number) student_id, case_number, sequence, form_number
FROM submission JOIN unnest($1::text[], $2::int[]) AS asked (student_id, case_number) USING (student_id, case_number)
ORDER BY student_id, case_number, sequence DESC
"""
_ADD: Final = """
INSERT INTO submission (student_id, attempt_id, form_number, code, accepted_at, facts, receipt, qr_text, kid,
                        case_number, sequence, student, former)
SELECT student_id, attempt_id, form_number, code, accepted_at, facts::jsonb, receipt, qr_text, kid,
       case_number, sequence, student::jsonb, former::jsonb
FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::int[], $11::int[], $12::text[], $13::text[])
     AS said (student_id, attempt_id, form_number, code, accepted_at, facts, receipt, qr_text, kid,
              case_number, sequence, student, former)
"""
