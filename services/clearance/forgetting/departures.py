"""Whether a departure is finished, so that one person may have the student forgotten."""

from datetime import datetime
from typing import Any, Final

from services.clearance.approvals.actions import ActionRefused
from services.clearance.roster import case_store
from services.kit.postgres.pool import Connection

FORGET: Final = "student.forget"
"""The act in the audits."""
_STATE: Final = """
SELECT
    EXISTS (SELECT FROM attempt WHERE student_id = ANY($1) AND state = 'open') AS attempt_open,
    EXISTS (SELECT FROM student_case WHERE student_id = $2 AND state = 'open') AS case_open,
    EXISTS (
        SELECT FROM standing_submission AS form WHERE student_id = ANY($1)
        AND NOT EXISTS (SELECT FROM standing_issue WHERE standing_issue.attempt_id = form.attempt_id)
    ) AS not_handed_over,
    EXISTS (
        SELECT FROM open_exception JOIN submission USING (attempt_id) WHERE submission.student_id = ANY($1)
    ) AS exception_open
"""
_UNFINISHED: Final = {
    "case_open": ("case-open", "The case is open"),
    "not_handed_over": ("not-handed-over", "The certificates of a form were not handed over"),
    "exception_open": ("exception-open", "A form has an open exception"),
}
_TWO_PERSONS: Final = "Finish it first, or have two persons decide: POST /approvals/propose/forget-student."


async def numbers_of(connection: Connection, student_id: str) -> tuple[str, ...]:
    """The person's numbers, the current one first; their cases are locked. Raises `ActionRefused`.

    A number without a case has been forgotten before: its departments may have more than is finished of others.
    """
    case = await case_store.lock(connection, student_id)
    if case is None:
        if not await is_forgotten(connection, student_id):
            remedy = "Check the number: only what the roster once had is forgotten."
            raise ActionRefused("unknown-student", "There is no such case", remedy=remedy, field="/student_id")
        return (student_id,)
    if case.joined_to is not None:
        remedy = "Forget the current number: former ones go with it."
        raise ActionRefused("former-number", "It is a former number of a person", remedy=remedy, field="/student_id")
    former = await case_store.former_numbers(connection, student_id)
    for number in former:
        await case_store.lock(connection, number)
    return (student_id, *former)


async def check_finished(connection: Connection, numbers: tuple[str, ...], *, forced: bool) -> None:
    """Raises `ActionRefused`. `forced`: two persons have decided; an attempt that is open ends first all the same."""
    state: Any = await connection.fetchrow(_STATE, list(numbers), numbers[0])
    if state["attempt_open"]:
        remedy = "It ends within minutes; then try again."
        raise ActionRefused("attempt-open", "A submission is being decided", remedy=remedy, field="/student_id")
    for name, (slug, title) in _UNFINISHED.items():
        if state[name] and not forced:
            raise ActionRefused(slug, title, remedy=_TWO_PERSONS, field="/student_id")


async def is_forgotten(connection: Connection, student_id: str, *, since: datetime | None = None) -> bool:
    """Whether the number was ever forgotten here. `since`: after that instant; it may have been listed again before."""
    found = """
        SELECT EXISTS (
            SELECT FROM audit.entry
            WHERE student_id = $1 AND act = $2 AND at > coalesce($3::timestamptz, '-infinity')
        )
    """
    return bool(await connection.fetchval(found, student_id, FORGET, since))
