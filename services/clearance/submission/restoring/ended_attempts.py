"""Rows of attempts as they had ended, in the caller's transaction."""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from schemas.codec import Unreadable
from schemas.events import AcceptedForm, SubmissionAccepted, SubmissionRefused
from services.clearance.submission.attempts import (
    answers,
    attempt_store,
    attempt_waivers,
    former_parts,
    waiting_attestations,
)
from services.clearance.submission.restoring.accepted_forms import answers_of, waivers_of
from services.kit.postgres.pool import Connection

# A part of a former number has no form of its own.
_KNOWN: Final = """
SELECT attempt_id, attempt.student_id, form_number, parent_id IS NOT NULL AS is_part, attempt.state
FROM attempt LEFT JOIN submission USING (attempt_id) WHERE attempt_id = ANY($1::uuid[])
"""
_REFUSED: Final = """
INSERT INTO attempt (attempt_id, student_id, state, required, opened_at, expires_at, ended_at, cause, objections,
                     case_number)
VALUES ($1, $2, $3, '{}', $4::timestamptz, $4::timestamptz + interval '1 second', $4::timestamptz, $5, $6,
        coalesce((SELECT case_number FROM student_case WHERE student_id = $2), 1))
ON CONFLICT (attempt_id) DO UPDATE
    SET state = excluded.state, ended_at = excluded.ended_at, cause = excluded.cause, objections = excluded.objections
    WHERE attempt.state = 'open' AND attempt.student_id = excluded.student_id
RETURNING attempt_id
"""
_ACCEPTED: Final = """
INSERT INTO attempt (attempt_id, student_id, state, required, opened_at, expires_at, ended_at, case_number,
                     parent_id, ordinal)
VALUES ($1, $2, 'accepted', $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (attempt_id) DO UPDATE SET state = 'accepted', ended_at = excluded.ended_at WHERE attempt.state = 'open'
RETURNING attempt_id
"""


async def find_each(connection: Connection, attempt_ids: Iterable[UUID]) -> dict[UUID, Any]:
    """student_id, form_number, is_part and state of those attempts that there are."""
    return {row["attempt_id"]: row for row in await connection.fetch(_KNOWN, list(attempt_ids))}


async def refuse(connection: Connection, event: SubmissionRefused) -> bool:
    """False if it has ended, or is another student's."""
    restored = await connection.fetchval(
        _REFUSED,
        event.attempt_id,
        event.student_id,
        attempt_store.refused_state(event.cause),
        event.refused_at,
        event.cause,
        attempt_store.objections_adapter.dump_json(dict(event.objections)).decode(),
    )
    if restored is not None:
        await waiting_attestations.take(connection, [event.attempt_id])
    return restored is not None


async def accept(connection: Connection, event: SubmissionAccepted, form: AcceptedForm) -> None:
    """The attempt and its parts, as they were answered. Raises `Unreadable` if it has ended otherwise."""
    parts = [(former_parts.part_id(event.attempt_id, number), number, of) for number, of in form.former.items()]
    asked = [(event.attempt_id, event.student_id, form.facts), *parts]
    for ordinal, (attempt_id, student_id, facts) in enumerate(asked):
        restored = await connection.fetchval(
            _ACCEPTED,
            attempt_id,
            student_id,
            sorted(facts),
            form.opened_at,
            max(form.expires_at, event.accepted_at),
            event.accepted_at,
            form.case_number,
            event.attempt_id if ordinal else None,
            ordinal,
        )
        if restored is None:
            raise Unreadable("attempt_id: the attempt has ended with another outcome")
        answered = await answers.departments(connection, attempt_id)
        missing = [
            said for said in answers_of(attempt_id, student_id, facts).values() if said.department not in answered
        ]
        await answers.add_answers(connection, missing)
    if not await attempt_waivers.frozen(connection, event.attempt_id):
        await attempt_waivers.freeze(connection, [(event.attempt_id, waivers_of(form))])
    await waiting_attestations.take(connection, [attempt_id for attempt_id, _, _ in asked])
