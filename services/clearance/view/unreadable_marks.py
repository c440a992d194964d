"""Recomputes a row's unreadable mark after one of its dead letters was replayed or discarded."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiokafka import ConsumerRecord

from services.clearance.notify import notify
from services.clearance.view.fold import unreadable_row
from services.kit.postgres.pool import Connection


def clear_unreadable_mark(
    group: str, departments: Mapping[str, str]
) -> Callable[[Connection, ConsumerRecord], Awaitable[None]]:
    """`departments`: by topic."""

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
