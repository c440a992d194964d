from collections.abc import Iterable

from services.kit.names import VIEW_CHANNEL
from services.kit.observability.traced_statuses import TracedStatus, notices_of
from services.kit.postgres.pool import Connection


async def notify(connection: Connection) -> None:
    """Once a batch: NOTIFY takes a database-wide lock."""
    await connection.execute("SELECT pg_notify($1, '')", VIEW_CHANNEL)


async def notify_traced(connection: Connection, statuses: Iterable[TracedStatus]) -> None:
    """Beside the notification of what was stored."""
    notices = notices_of(statuses)
    if notices:
        await connection.execute(
            "SELECT pg_notify($1, notice) FROM unnest($2::text[]) AS notice", VIEW_CHANNEL, notices
        )
