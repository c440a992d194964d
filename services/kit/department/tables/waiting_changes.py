"""Changes that met a hold: until one came, or an hour passed, the student's next attempt is objected.

Otherwise a student who keeps submitting while another department is silent would hold a debt off for ever.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from schemas.events import CheckStatus, Verdict
from schemas.types import MAX_REASONS
from services.kit.operations import Held
from services.kit.postgres.pool import Connection
from services.kit.rules.reasons import CHANGE_WAITING

KEPT: Final = timedelta(hours=1)
"""Whoever makes the change tries again long before."""
_OF_CHECKS: Final = "student_id = $1 AND blocked && $2::text[]"
AWAITED: Final = f"EXISTS (SELECT FROM waiting_change WHERE {_OF_CHECKS})"
"""SQL: whether a change of the student `$1` waits that would block one of the checks `$2`."""


async def before_blocking(
    connection: Connection, student_id: str, blocked: Sequence[str], *, holds: Iterable[frozenset[str]], awaited: bool
) -> None:
    """A change is to be stored after which these checks are blocked. `holds`: what each of the student's relies not on.

    `awaited`: a change of the student waits. Raises `Held`.
    """
    if any(not waived.issuperset(blocked) for waived in holds):
        raise Held(blocked)
    if awaited:
        await came(connection, student_id, blocked)


async def note(connection: Connection, student_id: str, blocked: Iterable[str]) -> None:
    """`blocked`: the checks that the change would block."""
    await connection.execute(
        """
        INSERT INTO waiting_change AS known (student_id, blocked) VALUES ($1, $2)
        ON CONFLICT (student_id) DO UPDATE SET noted_at = clock_timestamp(),
            blocked = ARRAY(SELECT DISTINCT unnest(known.blocked || excluded.blocked) ORDER BY 1)
        """,
        student_id,
        sorted(blocked),
    )


async def waiting(connection: Connection, student_id: str) -> frozenset[str]:
    """The checks that a waiting change would block."""
    blocked = await connection.fetchval(
        "SELECT blocked FROM waiting_change WHERE student_id = $1 AND noted_at > clock_timestamp() - $2::interval",
        student_id,
        KEPT,
    )
    return frozenset(blocked or ())


async def came(connection: Connection, student_id: str, blocked: Iterable[str]) -> None:
    """A change was applied after which these checks are blocked: where `AWAITED`, it may be the one that waits."""
    await connection.execute(f"DELETE FROM waiting_change WHERE {_OF_CHECKS}", student_id, sorted(blocked))


async def delete_old(connection: Connection) -> None:
    await connection.execute("DELETE FROM waiting_change WHERE noted_at < clock_timestamp() - $1::interval", KEPT)


def objected(checks: Iterable[CheckStatus], waiting_for: frozenset[str]) -> tuple[CheckStatus, ...]:
    """The checks as an objection says them: blocked where a change waits. Pure."""
    return tuple(
        one.model_copy(update={"verdict": Verdict.BLOCKED, "reasons": (*one.reasons, CHANGE_WAITING())[-MAX_REASONS:]})
        if one.check in waiting_for
        else one
        for one in checks
    )
