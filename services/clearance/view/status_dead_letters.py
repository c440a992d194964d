"""Dead letters of the status topics: which of them hide a row, and which are forgotten with their student."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

from aiokafka import ConsumerRecord

from services.clearance.notify import notify
from services.clearance.view.records import Forgotten, Position, unreadable_row
from services.kit.postgres.pool import Connection


def clear_unreadable_mark(
    group: str, departments: Mapping[str, str]
) -> Callable[[Connection, ConsumerRecord], Awaitable[None]]:
    """Recomputes a row's mark after one of its dead letters was replayed or discarded. `departments`: by topic."""

    async def ended(connection: Connection, record: ConsumerRecord) -> None:
        department = departments.get(record.topic)
        row = unreadable_row(record, department) if department else None
        if row is None:
            return
        # Locked by a statement of its own: the next one then sees a dead letter that the projector stores meanwhile.
        await connection.execute("SELECT FROM status WHERE student_id = $1 AND department = $2 FOR UPDATE", *row.key)
        await connection.execute(_RECOMPUTE, *row.key, group, record.topic, record.key)
        await connection.execute(_DELETE_EMPTY, *row.key)
        await notify(connection)

    return ended


_RECOMPUTE: Final = """
UPDATE status SET unreadable_offset = (
    SELECT max(CASE WHEN ended_log = 0 THEN "offset" ELSE -1 END) FROM dead_letter
    WHERE consumer = $3 AND topic = $4 AND key = $5 AND ended_at IS NULL
) WHERE student_id = $1 AND department = $2
"""
_DELETE_EMPTY: Final = """
DELETE FROM status WHERE student_id = $1 AND department = $2 AND version = 0 AND unreadable_offset IS NULL
"""


async def discarded_positions(
    connection: Connection, consumer: str, positions: Iterable[Position]
) -> frozenset[Position]:
    """Those that hide nothing, because their dead letter was discarded.

    A replayed dead letter that is unreadable again (older code is back) is reopened.
    """
    topics, partitions, offsets = zip(*positions, strict=True)
    rows = await connection.fetch(
        """
        WITH met AS (
            SELECT id, topic, partition, "offset", ended_how FROM dead_letter
            JOIN unnest($2::text[], $3::int[], $4::bigint[]) AS at (topic, partition, "offset")
                USING (topic, partition, "offset")
            WHERE consumer = $1 AND ended_log = 0
        ), opened AS (
            UPDATE dead_letter SET ended_at = NULL, ended_how = NULL, ended_by = NULL, ended_why = NULL
            WHERE id IN (SELECT id FROM met WHERE ended_how = 'replayed')
        )
        SELECT topic, partition, "offset" FROM met WHERE ended_how = 'discarded'
        """,
        consumer,
        topics,
        partitions,
        offsets,
    )
    return frozenset((row["topic"], row["partition"], row["offset"]) for row in rows)


async def forget_dead_letters(connection: Connection, consumer: str, forgotten: Sequence[Forgotten]) -> None:
    """A replay of one that stands before the tombstone would bring the student back."""
    if forgotten:
        await connection.execute(
            _FORGET_DEAD_LETTERS,
            consumer,
            [gone.topic for gone in forgotten],
            [gone.student_id.encode() for gone in forgotten],
            [gone.offset for gone in forgotten],
        )


_FORGET_DEAD_LETTERS: Final = """
DELETE FROM dead_letter USING unnest($2::text[], $3::bytea[], $4::bigint[]) AS gone (topic, key, at_offset)
WHERE consumer = $1 AND (dead_letter.topic, dead_letter.key) = (gone.topic, gone.key)
  AND (ended_log > 0 OR "offset" < at_offset)
"""
