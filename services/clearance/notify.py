from typing import Final

from services.kit.postgres.pool import Connection

VIEW_CHANNEL: Final = "lixiao_view"
"""What a gateway listens to: something in the view changed. Empty, because a payload would be personal data."""


async def notify(connection: Connection) -> None:
    """Tell every listener, at commit, that the view changed. Once a batch: it takes a database-wide lock."""
    await connection.execute("SELECT pg_notify($1, '')", VIEW_CHANNEL)
