"""Forms of a student that stand, and the roster's exceptions on them, in the caller's transaction.

The caller holds the student's case locked, as a hand-over does: neither overlooks the other.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter

from schemas.events import Reason
from services.clearance.roster.cases import Case
from services.clearance.roster.form_differences import differences
from services.kit.audit import log
from services.kit.postgres.pool import Connection

SOURCE: Final = "roster"
_reasons: Final[TypeAdapter[tuple[Reason, ...]]] = TypeAdapter(tuple[Reason, ...])
_STANDING: Final = """
SELECT form.attempt_id, form.form_number, form.case_number, form.accepted_at, form.student, handed.issued_at,
       ARRAY(SELECT student_id FROM student_case WHERE joined_to = $1 AND NOT form.former ? student_id
             ORDER BY student_id) AS not_asked,
       (SELECT reasons FROM roster_exception WHERE attempt_id = form.attempt_id AND closed_at IS NULL) AS reasons
FROM standing_submission AS form LEFT JOIN standing_issue AS handed USING (attempt_id)
WHERE form.student_id = $1 ORDER BY form.case_number
"""
_CLOSE: Final = """
UPDATE roster_exception SET closed_at = clock_timestamp() WHERE attempt_id = $1 AND closed_at IS NULL
"""
_OPEN: Final = """
INSERT INTO roster_exception (attempt_id, number, reasons)
SELECT $1, coalesce(max(number), 0) + 1, $2 FROM roster_exception WHERE attempt_id = $1
RETURNING number
"""


@dataclass(frozen=True, slots=True)
class StandingForm:
    """`student` is as signed, `issued_at` of a hand-over that stands, `exception` the roster's open one."""

    attempt_id: UUID
    form_number: str
    case_number: int
    accepted_at: datetime
    student: Mapping[str, Any]
    issued_at: datetime | None
    exception: tuple[Reason, ...]
    not_asked: tuple[str, ...]
    """Former numbers that were joined since."""


async def standing_forms(connection: Connection, student_id: str) -> tuple[StandingForm, ...]:
    """At most one a case, the newest case last."""
    rows = await connection.fetch(_STANDING, student_id)
    return tuple(
        StandingForm(
            row["attempt_id"],
            row["form_number"],
            row["case_number"],
            row["accepted_at"],
            json.loads(row["student"]),
            row["issued_at"],
            _reasons.validate_json(row["reasons"]) if row["reasons"] else (),
            tuple(row["not_asked"]),
        )
        for row in rows
    )


async def update_exceptions(connection: Connection, case: Case) -> None:
    """An exception on each standing form from which the roster differs; another difference is a new exception."""
    for form in await standing_forms(connection, case.student.student_id):
        reasons = differences(
            form.student,
            case,
            case_number=form.case_number,
            handed_over=form.issued_at is not None,
            not_asked=form.not_asked,
        )
        if reasons == form.exception:
            continue
        if form.exception:
            await connection.execute(_CLOSE, form.attempt_id)
        number = None
        if reasons:
            number = await connection.fetchval(_OPEN, form.attempt_id, _reasons.dump_json(reasons).decode())
        await log.append_entry(
            connection,
            actor=SOURCE,
            act="form.except",
            outcome="opened" if reasons else "closed",
            student_id=case.student.student_id,
            details={"form": form.form_number, "number": number, "reasons": [reason.code for reason in reasons]},
        )
