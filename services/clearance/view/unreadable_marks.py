"""What ending a dead letter does to the view.

The parked record keeps its student's item unreadable until an operator ends it, or a later readable word of the
department comes. Ending one recomputes the mark from the dead letters that are still open.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiokafka import ConsumerRecord

from services.clearance.notify import notify
from services.clearance.view.fold import unreadable_row
from services.kit.postgres.pool import Connection


def clear_unreadable_mark(
    group: str, departments: Mapping[str, str]
) -> Callable[[Connection, ConsumerRecord], Awaitable[None]]:
    """What the projector's reader does when a letter is ended: the student's mark follows the letters still open."""

    async def ended(connection: Connection, record: ConsumerRecord) -> None:
        department = departments.get(record.topic)
        marked = unreadable_row(record, department) if department else None
        if marked is None:
            return
        # Locked in a statement of its own: the next one then sees a letter that the projector is parking meanwhile.
        await connection.execute("SELECT FROM status WHERE student_id = $1 AND department = $2 FOR UPDATE", *marked.key)
        await connection.execute(_FOLLOW, *marked.key, group, record.topic, record.key)
        await connection.execute(_EMPTY, *marked.key)
        await notify(connection)

    return ended


_FOLLOW: Final = """
UPDATE status SET unreadable_offset = (
    SELECT max("offset") FROM dead_letter WHERE consumer = $3 AND topic = $4 AND key = $5 AND ended_at IS NULL
) WHERE student_id = $1 AND department = $2
"""
_EMPTY: Final = """
DELETE FROM status WHERE student_id = $1 AND department = $2 AND version = 0 AND unreadable_offset IS NULL
"""
