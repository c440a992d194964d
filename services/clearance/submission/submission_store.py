"""Accepted submissions in PostgreSQL, one for each student, in the caller's transaction."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from schemas.events import SubmissionAccepted
from services.clearance.receipts.payload import Receipt
from services.kit.postgres.pool import Connection


@dataclass(frozen=True, slots=True)
class Submission:
    student_id: str
    attempt_id: UUID
    form_number: str
    code: str
    accepted_at: datetime
    facts: Mapping[str, Any]
    receipt: Receipt
    kid: str

    def accepted_event(self) -> SubmissionAccepted:
        return SubmissionAccepted(
            attempt_id=self.attempt_id,
            student_id=self.student_id,
            form_number=self.form_number,
            accepted_at=self.accepted_at,
        )


async def add(connection: Connection, submission: Submission) -> None:
    """The primary key refuses a second submission of the student."""
    await connection.execute(
        """
        INSERT INTO submission (student_id, attempt_id, form_number, code, accepted_at, facts, receipt, qr_text, kid)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        submission.student_id,
        submission.attempt_id,
        submission.form_number,
        submission.code,
        submission.accepted_at,
        json.dumps(submission.facts, ensure_ascii=False),
        submission.receipt.text,
        submission.receipt.qr_text,
        submission.kid,
    )


async def accepted_event(connection: Connection, student_id: str) -> SubmissionAccepted | None:
    row = await connection.fetchrow(
        "SELECT attempt_id, student_id, form_number, accepted_at FROM submission WHERE student_id = $1", student_id
    )
    return SubmissionAccepted(**dict(row)) if row else None
