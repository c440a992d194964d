"""A database's backup, and its restoration under whoever uses the database."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg

from deploy.local.servers.postgres import drop_database

_OWNER = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = $1"
_END_SESSIONS = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1"


class Backup:
    """`admin`: a superuser's DSN. The database is copied as a whole, which ends its sessions."""

    def __init__(self, admin: str, dsn: str) -> None:
        self._admin, self._name = admin, urlsplit(dsn).path[1:]
        self._copy = f"backup_{secrets.token_hex(4)}"

    async def take(self) -> None:
        await self._copied(self._name, self._copy)

    async def restore(self) -> None:
        await drop_database(self._admin, self._name)
        await self._copied(self._copy, self._name)

    async def delete(self) -> None:
        await drop_database(self._admin, self._copy)

    async def _copied(self, source: str, target: str) -> None:
        connection = await asyncpg.connect(self._admin, timeout=10)
        try:
            owner = await connection.fetchval(_OWNER, source)
            # Nobody connects to the source meanwhile: a copy is refused while others are connected.
            await connection.execute(f'ALTER DATABASE "{source}" ALLOW_CONNECTIONS false')
            await connection.execute(_END_SESSIONS, source)
            await connection.execute(f'CREATE DATABASE "{target}" TEMPLATE "{source}" OWNER "{owner}"')
            await connection.execute(f'ALTER DATABASE "{source}" ALLOW_CONNECTIONS true')
        finally:
            await connection.close()


@asynccontextmanager
async def backup_of(admin: str, dsn: str) -> AsyncIterator[Backup]:
    """Taken now."""
    backup = Backup(admin, dsn)
    await backup.take()
    try:
        yield backup
    finally:
        await backup.delete()
