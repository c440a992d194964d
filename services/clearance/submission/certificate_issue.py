"""Issue of certificates: once for each student, whichever desk asks."""

from typing import Final

from schemas.codec import Unreadable
from schemas.events import CertificateIssueAsked, TakenBy
from services.kit.audit import log
from services.kit.postgres.pool import Connection

ISSUED: Final = "issued"
ALREADY_ISSUED: Final = "already-issued"
# The primary key refuses a second one; a second desk waits here until the first has committed.
_ISSUE: Final = """
INSERT INTO issue (student_id, issued_by, issued_to, proxy_name, command_id) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (student_id) DO NOTHING RETURNING true
"""


async def certificate_issue_asked(connection: Connection, event: CertificateIssueAsked) -> None:
    """Idempotent.

    Raises `Unreadable` without a submission, or if the event contradicts itself or an earlier one.
    """
    if (event.taken_by is TakenBy.PROXY) != (event.proxy_name is not None):
        raise Unreadable("proxy_name: it is present exactly when a proxy takes the certificates")
    number = await connection.fetchval("SELECT form_number FROM submission WHERE student_id = $1", event.student_id)
    if number is None:
        raise Unreadable("student_id: this student has no submission")
    if number != event.form_number:
        raise Unreadable("form_number: it is another student's")
    before = await connection.fetchval("SELECT student_id FROM issue WHERE command_id = $1", event.command_id)
    if before is not None:
        if before != event.student_id:
            raise Unreadable("command_id: it is another student's")
        return
    issued = await connection.fetchval(
        _ISSUE, event.student_id, event.asked_by, event.taken_by.value, event.proxy_name, event.command_id
    )
    await log.append_entry(
        connection,
        actor=event.asked_by,
        act="certificate.issue",
        outcome=ISSUED if issued else ALREADY_ISSUED,
        student_id=event.student_id,
        details={"command": event.command_id, "form": number, "taken_by": event.taken_by.value},
    )
