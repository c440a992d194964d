"""Hand-over of certificates: once for each form that stands, whichever desk asks, and undone by the desk.

The case is locked, then the form: a void, a word of the roster and a department's exception come before or after.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from schemas.codec import Unreadable
from schemas.events import CertificateIssueAsked, CertificateIssueUndoAsked, TakenBy
from schemas.issues import IssueRefusal
from services.clearance.roster import case_store, standing_forms
from services.kit.audit import log
from services.kit.postgres.pool import Connection
from services.kit.signing.session_proofs import session_key_of

ISSUED: Final = "issued"
UNDONE: Final = "undone"
_FORM: Final = """
SELECT attempt_id, student_id FROM submission WHERE form_number = $1 FOR UPDATE
"""
_STATE: Final = """
SELECT EXISTS (SELECT FROM form_void WHERE attempt_id = $1) AS void,
       (SELECT coalesce(max(number), 0) FROM issue WHERE attempt_id = $1) AS number,
       (SELECT command_id FROM standing_issue WHERE attempt_id = $1) AS standing,
       ARRAY(SELECT name FROM exception WHERE attempt_id = $1 AND closed_at IS NULL
             UNION ALL
             SELECT 'roster ' || number FROM roster_exception WHERE attempt_id = $1 AND closed_at IS NULL) AS exceptions
"""
_KNOWN: Final = """
SELECT attempt_id FROM issue WHERE command_id = $1
UNION ALL SELECT attempt_id FROM issue_undo WHERE command_id = $1
UNION ALL SELECT attempt_id FROM desk_refusal WHERE command_id = $1
"""
_ISSUE: Final = """
INSERT INTO issue (attempt_id, student_id, number, issued_by, issued_to, proxy_name, command_id, confirmed, reason,
                   document_key, document_hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, to_jsonb($8::text[]), $9, $10, $11)
"""
_UNDO: Final = """
INSERT INTO issue_undo (attempt_id, number, reason, undone_by, command_id) VALUES ($1, $2, $3, $4, $5)
"""
_REFUSE: Final = "INSERT INTO desk_refusal (command_id, attempt_id, cause) VALUES ($1, $2, $3)"


@dataclass(frozen=True, slots=True)
class _Form:
    """Locked. `number` counts its hand-overs; `standing` is the command of the one that stands, if any."""

    attempt_id: UUID
    void: bool
    number: int
    standing: UUID | None
    exceptions: frozenset[str]


async def certificate_issue_asked(connection: Connection, event: CertificateIssueAsked) -> None:
    """Idempotent.

    Raises `Unreadable` without a submission, or if the event contradicts itself or an earlier one.
    """
    if (event.taken_by is TakenBy.PROXY) != (event.proxy_name is not None):
        raise Unreadable("proxy_name: it is present exactly when a proxy takes the certificates")
    if event.proxy_document is not None and event.taken_by is not TakenBy.PROXY:
        raise Unreadable("proxy_document: no proxy takes the certificates")
    form = await _lock(connection, event)
    if form is None:
        return
    refusal = _issue_refusal(event, form)
    if refusal is None:
        await connection.execute(
            _ISSUE,
            form.attempt_id,
            event.student_id,
            form.number + 1,
            event.asked_by,
            event.taken_by.value,
            event.proxy_name,
            event.command_id,
            sorted(form.exceptions),
            event.reason or "",
            event.proxy_document.key if event.proxy_document else None,
            event.proxy_document.hash if event.proxy_document else None,
        )
    await _answer(
        connection,
        event,
        form,
        refusal,
        act="certificate.issue",
        done=ISSUED,
        details={
            "taken_by": event.taken_by.value,
            "exceptions": sorted(form.exceptions),
            "confirmed": sorted(event.confirmed),
            "reason": event.reason or "",
        },
    )


async def certificate_issue_undo_asked(connection: Connection, event: CertificateIssueUndoAsked) -> None:
    """Idempotent. Only the newest hand-over is undone, and only while it stands. Raises `Unreadable` as above."""
    form = await _lock(connection, event)
    if form is None:
        return
    refusal = None if form.standing == event.issue_command_id else IssueRefusal.NOT_STANDING
    if refusal is None:
        await connection.execute(_UNDO, form.attempt_id, form.number, event.reason, event.asked_by, event.command_id)
    await _answer(
        connection,
        event,
        form,
        refusal,
        act="certificate.undo",
        done=UNDONE,
        details={"of": event.issue_command_id, "reason": event.reason},
    )


def _issue_refusal(event: CertificateIssueAsked, form: _Form) -> IssueRefusal | None:
    if form.void:
        return IssueRefusal.VOID
    if form.standing is not None:
        return IssueRefusal.ALREADY_ISSUED
    if not form.exceptions <= set(event.confirmed):
        return IssueRefusal.UNCONFIRMED
    if form.exceptions and not event.reason:
        return IssueRefusal.NO_REASON
    return None


async def _lock(connection: Connection, event: CertificateIssueAsked | CertificateIssueUndoAsked) -> _Form | None:
    """None if the command was answered before. Raises `Unreadable`."""
    await case_store.lock(connection, event.student_id)
    row = await connection.fetchrow(_FORM, event.form_number)
    if row is None or row["student_id"] != event.student_id:
        exists = "SELECT EXISTS (SELECT FROM submission WHERE student_id = $1)"
        if not await connection.fetchval(exists, event.student_id):
            raise Unreadable("student_id: this student has no submission")
        raise Unreadable("form_number: it is another student's")
    known = await connection.fetchval(_KNOWN, event.command_id)
    if known is not None:
        if known != row["attempt_id"]:
            raise Unreadable("command_id: it is another form's")
        return None
    state = await connection.fetchrow(_STATE, row["attempt_id"])
    assert state is not None
    return _Form(row["attempt_id"], state["void"], state["number"], state["standing"], frozenset(state["exceptions"]))


async def _answer(
    connection: Connection,
    event: CertificateIssueAsked | CertificateIssueUndoAsked,
    form: _Form,
    refusal: IssueRefusal | None,
    *,
    act: str,
    done: str,
    details: Mapping[str, Any],
) -> None:
    """Store a refusal, or what the roster's exceptions are after the change: a later case speaks of the hand-over."""
    if refusal is not None:
        await connection.execute(_REFUSE, event.command_id, form.attempt_id, refusal.value)
    else:
        case = await case_store.find(connection, event.student_id)
        assert case is not None
        await standing_forms.update_exceptions(connection, case)
    await log.append_entry(
        connection,
        actor=event.asked_by,
        act=act,
        outcome=refusal or done,
        student_id=event.student_id,
        details={"command": event.command_id, "form": event.form_number, **details, **session_key_of(event)},
    )
