"""Exceptions on submissions: a pass taken away after the acceptance, opened and closed by what the view says.

A status counts when it is not older than the attested one: a late word from before the attestation says nothing new.
"""

from collections.abc import Sequence
from typing import Final

from services.kit.postgres.pool import Connection

# One statement each over the named rows of the view; without submissions among them both end at the first join.
_SAID: Final = """
WITH named AS MATERIALIZED (
    SELECT DISTINCT student_id, department FROM unnest($1::text[], $2::text[]) AS named (student_id, department)
), said AS MATERIALIZED (
    SELECT status.student_id, status.department, status.version, status.status::jsonb AS status,
           (submission.facts -> status.department ->> 'version')::int AS attested
    FROM named JOIN submission USING (student_id) JOIN status USING (student_id, department)
    WHERE status.version > 0 AND NOT status.disputed
)
"""
_OPEN: Final = f"""
{_SAID}
INSERT INTO exception (student_id, department, version, reasons)
SELECT student_id, department, version, jsonb_path_query_array(status, '$.checks[*].reasons[*]') FROM said
WHERE version >= attested AND status @? '$.checks[*] ? (@.verdict != "clear")'
ON CONFLICT DO NOTHING
RETURNING student_id
"""
_CLOSE: Final = f"""
{_SAID}
UPDATE exception SET closed_at = clock_timestamp(), closed_version = said.version
FROM said
WHERE exception.student_id = said.student_id AND exception.department = said.department AND closed_at IS NULL
  AND said.version > exception.version AND NOT status @? '$.checks[*] ? (@.verdict != "clear")'
RETURNING exception.student_id
"""
_SUBMITTED: Final = "SELECT student_id FROM submission WHERE student_id = ANY($1::text[])"
RECENT_S: Final = 90
"""Longer than any transaction that could have been open beside the acceptance."""
_AGAINST: Final = "SELECT submission.student_id, status.department FROM submission JOIN status USING (student_id)"
_BLOCKED: Final = """status.version >= (submission.facts -> status.department ->> 'version')::int
  AND status.status::jsonb @? '$.checks[*] ? (@.verdict != "clear")'"""
_RECENT: Final = f"""
{_AGAINST} WHERE accepted_at > clock_timestamp() - make_interval(secs => $1) AND {_BLOCKED}
UNION
SELECT student_id, department FROM exception
WHERE closed_at IS NULL AND opened_at > clock_timestamp() - make_interval(secs => $1)
"""


async def update(connection: Connection, keys: Sequence[tuple[str, str]]) -> int:
    """Open and close exceptions by what the view says under `keys` (student, department); how many changed."""
    if not keys:
        return 0
    students, departments = [key[0] for key in keys], [key[1] for key in keys]
    submitted = await connection.fetch(_SUBMITTED, students)
    if not submitted:
        return 0
    # The rest is asked only about those who have submitted: during the season that is almost nobody in a batch.
    among = {row["student_id"] for row in submitted}
    students, departments = (list(part) for part in zip(*(key for key in keys if key[0] in among), strict=True))
    opened = await connection.fetch(_OPEN, students, departments)
    closed = await connection.fetch(_CLOSE, students, departments)
    return len(opened) + len(closed)


async def update_accepted(connection: Connection, student_id: str) -> int:
    """`fold` over what the view already says against a submission inserted in this transaction."""
    rows = await connection.fetch(f"{_AGAINST} WHERE submission.student_id = $1 AND {_BLOCKED}", student_id)
    return await update(connection, [(row["student_id"], row["department"]) for row in rows])


async def update_recent(connection: Connection) -> int:
    """`fold` over the newest submissions: a status and an acceptance committed side by side did not see each other.

    `accepted_at` and the comparison are both this database's clock.
    """
    rows = await connection.fetch(_RECENT, RECENT_S)
    return await update(connection, [(row["student_id"], row["department"]) for row in rows])
