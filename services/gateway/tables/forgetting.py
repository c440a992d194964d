"""The gateway forgets a student whom the clearance has forgotten."""

from schemas.events import Tombstone
from schemas.flows import CLEARANCE, source_of
from schemas.topics import Topics
from services.gateway.retention import TABLES
from services.kit.audit import log
from services.kit.messaging import outbox
from services.kit.names import COMMAND_CHANNEL
from services.kit.postgres.pool import Connection
from services.kit.retention.erasing import erase


async def obey(connection: Connection, event: Tombstone, topics: Topics) -> None:
    """The student is signed out. Its own tombstone stands behind the student's last command."""
    if event.topic != topics.submission:
        return
    erased = await erase(connection, TABLES, [event.student_id])
    await outbox.append_tombstone(connection, topic=topics.command, key=event.student_id)
    await connection.execute("SELECT pg_notify($1, '')", COMMAND_CHANNEL)
    if erased:
        await log.append_entry(
            connection,
            actor=source_of(CLEARANCE),
            act="student.forget",
            outcome="forgotten",
            student_id=event.student_id,
            details={"rows": erased},
        )
