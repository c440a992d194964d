"""Partitions of the status topics in PostgreSQL: how old their newest alive mark is, and whether their log was lost."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from services.clearance.view.fold import AliveMark
from services.kit.postgres.pool import Connection

# A mark from the future counts only up to its arrival: otherwise its source could never become stale.
_ALIVE: Final = """
INSERT INTO source AS stored (department, partition, alive_as_of, heard_at)
SELECT department, partition, least(as_of, $4), $4
FROM unnest($1::text[], $2::int[], $3::timestamptz[]) AS incoming (department, partition, as_of)
ON CONFLICT (department, partition) DO UPDATE SET alive_as_of = excluded.alive_as_of, heard_at = excluded.heard_at
WHERE stored.alive_as_of IS NULL OR excluded.alive_as_of > stored.alive_as_of
"""


async def apply_alive(connection: Connection, alive: Sequence[AliveMark], *, now: datetime) -> int:
    """How many alive marks advanced."""
    if not alive:
        return 0
    done = await connection.execute(
        _ALIVE,
        [mark.department for mark in alive],
        [mark.partition for mark in alive],
        [mark.as_of for mark in alive],
        now,
    )
    return int(done.rsplit(" ", 1)[-1])


async def lose_source(connection: Connection, department: str, partition: int, *, now: datetime) -> None:
    """The partition's records are gone: its statuses were received before `lost_at`, and offsets start at 0 again."""
    await connection.execute(_LOSE, department, partition, now)
    await connection.execute(_FORGET_OFFSETS, department, partition)


# Later than anything received, also by another instance with another clock.
_LOSE: Final = """
INSERT INTO source AS stored (department, partition, alive_as_of, heard_at, lost_at)
SELECT $1, $2, NULL, $3, greatest($3, max(status.heard_at)) FROM status
WHERE status.department = $1 AND status.source_partition = $2
ON CONFLICT (department, partition) DO UPDATE SET lost_at = excluded.lost_at
"""
# As `status_readable` compares them: what was hidden stays so, what was shown is, until a record of the new log.
_FORGET_OFFSETS: Final = """
UPDATE status SET source_offset = -1, first_offset = NULL,
                  unreadable_offset = CASE WHEN unreadable_offset >= coalesce(first_offset, source_offset) THEN -1 END,
                  older_offset = CASE WHEN older_offset IS NOT NULL THEN -1 END
WHERE department = $1 AND source_partition = $2
"""
