"""Accepted submissions in PostgreSQL, at most one that stands for each case, in the caller's transaction."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from schemas.events import SubmissionAccepted
from services.clearance.receipts.payload import Receipt
from services.clearance.roster.cases import Student
from services.kit.postgres.pool import Connection


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
        connection, f"{_STANDING} WHERE student_id = $1 AND case_number = $2", student_id, case_number
    )


async def accepted_event(connection: Connection, attempt_id: UUID) -> SubmissionAccepted | None:
    """The acceptance of this attempt, also if its form is void now."""
    return await _accepted(connection, f"{_ANY} WHERE attempt_id = $1", attempt_id)


async def _accepted(connection: Connection, query: str, *values: object) -> SubmissionAccepted | None:
    row = await connection.fetchrow(query, *values)
    return SubmissionAccepted(**dict(row)) if row else None


_ANY: Final = "SELECT attempt_id, student_id, form_number, accepted_at FROM submission"
_STANDING: Final = "SELECT attempt_id, student_id, form_number, accepted_at FROM standing_submission"
