"""Ends of attempts that this database does not know any more, from the clearance's own topic.

After a restore the commands and attestations of those attempts are read again too. They wait until the topic was read
to its end, so that an accepted attempt is never decided anew, under another form number.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import structlog

from schemas.attempts import AttemptState
from schemas.codec import Unreadable
from schemas.events import AcceptedForm, CaseState, SubmissionAccepted, SubmissionRefused
from services.clearance.forgetting.departures import is_forgotten
from services.clearance.receipts.payload import Receipt, submission_facts
from services.clearance.receipts.signing_keys import Keyring
from services.clearance.roster import case_store, cases
from services.clearance.roster.case_store import SOURCE
from services.clearance.roster.cases import kept_student
from services.clearance.roster.roster import Roster
from services.clearance.submission import submission_store
from services.clearance.submission.after_acceptance import exceptions
from services.clearance.submission.restoring import ended_attempts
from services.clearance.submission.restoring.accepted_forms import answers_of, difference
from services.clearance.submission.submission_store import Position, Submission
from services.kit.audit import log
from services.kit.messaging.dead_letters.store import DeadLetter
from services.kit.messaging.event_sets import Received, refused
from services.kit.postgres.pool import Connection
from services.kit.receipts.jws import Form, InvalidSignature, verify

_log = structlog.get_logger(__name__)
_BEFORE: Final = """
SELECT attempt_id, sequence, EXISTS (SELECT FROM form_void WHERE form_void.attempt_id = submission.attempt_id) AS void
FROM submission WHERE student_id = $1 AND case_number = $2 AND sequence IN ($3, $3 - 1)
"""
_VOID: Final = """
INSERT INTO form_void (attempt_id, student_id, case_number, sequence, reason, voided_by)
VALUES ($1, $2, $3, $4, $5, $6)
"""


class Restoring:
    """Methods take part in the caller's transaction. Nearly every end is known: one statement says so for a set."""

    def __init__(self, *, roster: Roster, keyring: Keyring) -> None:
        self._roster, self._keyring = roster, keyring

    async def ended(
        self, connection: Connection, ends: Sequence[Received[SubmissionAccepted | SubmissionRefused]]
    ) -> list[DeadLetter]:
        """Returns those that cannot be restored."""
        known = await ended_attempts.find_each(connection, [one.event.attempt_id for one in ends])
        dead_letters = []
        for one in ends:
            row = known.get(one.event.attempt_id)
            try:
                with one.traced():
                    if isinstance(one.event, SubmissionRefused):
                        await self._refused(connection, one.event, row)
                    else:
                        await self._accepted(connection, one.event, row)
            except Unreadable as error:
                dead_letters.append(refused(one, error))
        return dead_letters

    async def _refused(self, connection: Connection, event: SubmissionRefused, known: Any) -> None:
        """The same command gets the same answer again."""
        if known is not None and known["state"] != AttemptState.OPEN:
            return
        await case_store.lock(connection, event.student_id)
        if await is_forgotten(connection, event.student_id, since=event.refused_at):
            return
        if await ended_attempts.refuse(connection, event):
            await _append(connection, event, "submission.refuse", {"cause": event.cause})

    async def _accepted(self, connection: Connection, event: SubmissionAccepted, known: Any) -> None:
        """Under the number it was accepted with. Raises `Unreadable`."""
        if _is_known(known, event):
            return
        await case_store.lock(connection, event.student_id)
        found = await ended_attempts.find_each(connection, [event.attempt_id])
        if _is_known(found.get(event.attempt_id), event):
            return
        if await is_forgotten(connection, event.student_id, since=event.accepted_at):
            return
        form = event.form
        if form is None:
            _log.critical("acceptance.not_restored", attempt=str(event.attempt_id))
            raise Unreadable("form: this database has no such acceptance, and the event does not carry its form")
        signed = await self._verified(connection, form)
        if signed.payload.get("attempt") != str(event.attempt_id):
            return  # Of a former number: it is part of the acceptance under the current one.
        wrong = difference(event, form, signed)
        if wrong is not None:
            raise Unreadable(wrong)
        await self._restore(connection, event, form, signed)
        _log.warning("acceptance.restored", attempt=str(event.attempt_id))

    async def _verified(self, connection: Connection, form: AcceptedForm) -> Form:
        try:
            return verify(form.receipt, await self._keyring.verifying(connection, form.receipt))
        except InvalidSignature as forged:
            raise Unreadable(f"form: {forged}") from None

    async def _restore(
        self, connection: Connection, event: SubmissionAccepted, form: AcceptedForm, signed: Form
    ) -> None:
        student = kept_student(form.student)
        case = await case_store.lock(connection, student.student_id)
        if case is None:
            # The roster is older than the student.
            case = (await self._roster.put(connection, student, now=event.accepted_at)).case
        await _check_place(connection, event, form)
        await ended_attempts.accept(connection, event, form)
        submission = Submission(
            student=student,
            position=Position(form.case_number, form.sequence, signed.payload.get("replaces")),
            attempt_id=event.attempt_id,
            form_number=event.form_number,
            code=str(signed.payload["code"]),
            accepted_at=event.accepted_at,
            facts=submission_facts(answers_of(event.attempt_id, event.student_id, form.facts)),
            former={
                number: submission_facts(answers_of(event.attempt_id, number, of)) for number, of in form.former.items()
            },
            receipt=Receipt.of(form.receipt),
            kid=signed.kid,
        )
        await submission_store.add_each(connection, [submission])
        if case.case_number <= form.case_number:
            completed = cases.with_state(replace(case, case_number=form.case_number), CaseState.COMPLETED)
            await self._roster.store(connection, case, completed, now=event.accepted_at)
        await exceptions.update_accepted(connection, [event.attempt_id])
        await _append(
            connection,
            event,
            "submission.accept",
            {"form": event.form_number, "replaces": signed.payload.get("replaces")},
        )


async def _append(
    connection: Connection, event: SubmissionAccepted | SubmissionRefused, act: str, details: dict[str, Any]
) -> None:
    await log.append_entry(
        connection,
        actor=SOURCE,
        act=act,
        outcome="restored",
        student_id=event.student_id,
        details={"attempt": event.attempt_id, **details},
    )


def _is_known(known: Any, event: SubmissionAccepted) -> bool:
    """`known`: the attempt, as found. Raises `Unreadable` if it is another form of the attempt."""
    if known is None or not (known["form_number"] or known["is_part"]):
        return False
    if known["form_number"] not in (None, event.form_number) or known["student_id"] != event.student_id:
        raise Unreadable("form_number: the attempt has another form")
    return True


async def _check_place(connection: Connection, event: SubmissionAccepted, form: AcceptedForm) -> None:
    """The form that it replaces is void, whatever this database knows of that: the number of its form is signed."""
    rows = await connection.fetch(_BEFORE, event.student_id, form.case_number, form.sequence)
    before = {row["sequence"]: row for row in rows}
    if form.sequence in before:
        raise Unreadable("form: another one was accepted in its place")
    replaced = before.get(form.sequence - 1)
    if form.sequence > 1 and replaced is None:
        raise Unreadable("form: the one that it replaces is missing")
    if replaced is not None and not replaced["void"]:
        await connection.execute(
            _VOID,
            replaced["attempt_id"],
            event.student_id,
            form.case_number,
            form.sequence - 1,
            f"作废记录随备份丢失；已由 {event.form_number} 代替",
            SOURCE,
        )
