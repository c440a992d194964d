from services.kit.names import VIEW_CHANNEL
from services.kit.postgres.pool import Connection


async def notify(connection: Connection) -> None:
    """Once a batch: NOTIFY takes a database-wide lock."""
    await connection.execute("SELECT pg_notify($1, '')", VIEW_CHANNEL)
