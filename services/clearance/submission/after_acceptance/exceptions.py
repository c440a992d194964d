"""Exceptions: a check lost after the acceptance opens one on each form that stands, a clear status closes it.

Those of a former number count as well; statuses older than the attested version do not. Once the number has a later
case, a check that nobody vouches for (`no-data`) takes nothing back of the earlier form. Opening one locks the form's
row, as a hand-over does: either it was open before, and is confirmed, or it was opened after.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.clearance.notify import notify
from services.kit.postgres.pool import Connection

# Without submissions among the keys both statements end at the first join.
_CURRENT: Final = """
WITH named AS MATERIALIZED (
    SELECT DISTINCT student_id, department FROM unnest($1::text[], $2::text[]) AS named (student_id, department)
), current AS MATERIALIZED (
    SELECT attested_number.attempt_id, ordinal, status.student_id, status.department, status.version,
           status.status::jsonb AS status, (facts -> status.department ->> 'version')::int AS attested,
           attempt_waiver.names -> status.department AS waived,
           EXISTS (SELECT FROM attempt JOIN student_case USING (student_id)
                   WHERE attempt_id = asked_id AND attempt.case_number < student_case.case_number) AS leaving_again
    FROM named JOIN attested_number USING (student_id) JOIN status USING (student_id, department)
    LEFT JOIN attempt_waiver ON attempt_waiver.attempt_id = asked_id
    WHERE status.version > 0 AND NOT status.disputed
)
"""
_OPEN: Final = f"""
{_CURRENT}
INSERT INTO exception (attempt_id, ordinal, student_id, department, version, reasons)
SELECT attempt_id, ordinal, student_id, department, version, status_reasons(status, waived)
FROM current JOIN (
    SELECT attempt_id FROM submission WHERE attempt_id IN (
        SELECT attempt_id FROM current WHERE version >= attested AND check_lost(status, waived, leaving_again)
    ) FOR KEY SHARE
) AS form USING (attempt_id)
WHERE version >= attested AND check_lost(status, waived, leaving_again)
ON CONFLICT DO NOTHING
RETURNING student_id
"""
_CLOSE: Final = f"""
{_CURRENT}
UPDATE exception SET closed_at = clock_timestamp(), closed_version = current.version
FROM current
WHERE (exception.attempt_id, exception.ordinal) = (current.attempt_id, current.ordinal)
  AND exception.department = current.department AND closed_at IS NULL AND current.version > exception.version
  AND NOT status_blocks(status, waived)
RETURNING exception.student_id
"""
RECENT_S: Final = 90
"""Longer than any transaction concurrent with the acceptance."""
FIRST_S: Final = 24 * 3600.0
"""So far a loop that begins looks back: before it, nobody may have looked for as long as the service was down."""
RECHECK_EVERY_S: Final = 5.0
_AGAINST: Final = """
SELECT attested_number.student_id, status.department
FROM attested_number JOIN status USING (student_id) LEFT JOIN attempt_waiver ON attempt_waiver.attempt_id = asked_id"""
_BLOCKED: Final = """status.version >= (facts -> status.department ->> 'version')::int
  AND status_blocks(status.status::jsonb, attempt_waiver.names -> status.department)"""
_RECENT: Final = f"""
{_AGAINST} WHERE accepted_at > clock_timestamp() - make_interval(secs => $1) AND {_BLOCKED}
UNION
SELECT student_id, department FROM exception
WHERE closed_at IS NULL AND opened_at > clock_timestamp() - make_interval(secs => $1)
"""


async def update(connection: Connection, keys: Sequence[tuple[str, str]]) -> int:
    """`keys`: (student_id, department), of students with an accepted form. Returns how many changed."""
    if not keys:
        return 0
    students, departments = (list(part) for part in zip(*keys, strict=True))
    opened = await connection.fetch(_OPEN, students, departments)
    closed = await connection.fetch(_CLOSE, students, departments)
    return len(opened) + len(closed)


async def update_accepted(connection: Connection, attempt_ids: Sequence[UUID]) -> int:
    """For submissions inserted in this transaction: the view may already block them."""
    query = f"{_AGAINST} WHERE attested_number.attempt_id = ANY($1::uuid[]) AND {_BLOCKED}"
    rows = await connection.fetch(query, attempt_ids)
    return await update(connection, [(row["student_id"], row["department"]) for row in rows])


async def update_recent(connection: Connection, *, recent_s: float = RECENT_S) -> int:
    """For recent submissions: concurrent status and acceptance do not see each other."""
    rows = await connection.fetch(_RECENT, recent_s)
    return await update(connection, [(row["student_id"], row["department"]) for row in rows])


async def recheck(pool: "asyncpg.Pool[Any]") -> None:
    """Runs until cancelled. Database errors propagate."""
    recent_s = FIRST_S
    with suppress_instrumentation():
        while True:
            began_s = time.monotonic()
            async with pool.acquire() as connection, connection.transaction():
                if await update_recent(connection, recent_s=recent_s):
                    await notify(connection)
            await asyncio.sleep(RECHECK_EVERY_S)
            recent_s = RECENT_S + time.monotonic() - began_s
