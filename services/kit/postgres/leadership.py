"""Leadership by an advisory lock of a session, which a candidate ends when it has been silent.

A lock alone stays with a session whose host vanished, whose connection is half open or whose process hangs, for hours.
The server knows since when a session has run nothing: no clock of another machine is asked.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, TypeAlias, TypeVar

import asyncpg
import structlog

from services.kit.cancelling import ended
from services.kit.postgres.pool import Connection

SILENT_AFTER_S: Final = 15.0
"""A leader runs a statement more often than this, or is replaced."""
BEAT_S: Final = 4.0
_STATEMENT_S: Final = 10.0
_UNLOCK_S: Final = 5.0
_log = structlog.get_logger(__name__)

T = TypeVar("T")
Query: TypeAlias = tuple[Any, ...]
"""A statement and its values."""

# Waiting for its client, whatever it was doing; not one that works or waits for another session.
_END_SILENT: Final = """
SELECT pg_terminate_backend(holder.pid)
FROM pg_locks AS held JOIN pg_stat_activity AS holder USING (pid)
WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
  AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (held.classid::bigint << 32) | held.objid::bigint = $1
  AND holder.pid <> pg_backend_pid()
  AND holder.state_change < clock_timestamp() - make_interval(secs => $2)
  AND (holder.state <> 'active' OR holder.wait_event_type = 'Client')
"""


async def try_lead(connection: Connection, lock: int, *, silent_after_s: float = SILENT_AFTER_S) -> bool:
    """Whether this session holds `lock` now. Ends a silent holder's session: the next try may succeed."""
    if await connection.fetchval("SELECT pg_try_advisory_lock($1)", lock):
        return True
    if await connection.fetch(_END_SILENT, lock, silent_after_s):
        _log.warning("leader.replaced", silent_s=silent_after_s)
    return False


@asynccontextmanager
async def leading(connection: Connection, lock: int, *, silent_after_s: float = SILENT_AFTER_S) -> AsyncIterator[bool]:
    """Whether this session of a pool leads meanwhile. It is given back without the lock, or ended."""
    leads = True  # perhaps, if the question has no answer
    try:
        leads = await try_lead(connection, lock, silent_after_s=silent_after_s)
        yield leads
    finally:
        if leads:
            await _give_up(connection, lock)


async def _give_up(connection: Connection, lock: int) -> None:
    try:
        await connection.execute("SELECT pg_advisory_unlock($1)", lock, timeout=_UNLOCK_S)
    except BaseException:
        connection.terminate()
        raise


class LeaderSession(AbstractAsyncContextManager["LeaderSession"]):
    """A connection of its own that leads. May be shared by tasks; each statement times out."""

    def __init__(self, dsn: str, name: str, *, silent_after_s: float = SILENT_AFTER_S) -> None:
        self._dsn, self._name, self._silent_after_s = dsn, name, silent_after_s
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> "LeaderSession":
        self._connection = await connect_alone(self._dsn, self._name)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._connection.terminate()

    async def try_lead(self, lock: int) -> bool:
        async with self._turn:
            return await try_lead(self._connection, lock, silent_after_s=self._silent_after_s)

    async def fetch(self, statement: str, *values: Any) -> list[asyncpg.Record]:
        async with self._turn:
            return await self._connection.fetch(statement, *values)

    async def fetch_at_once(self, *queries: Query) -> list[list[asyncpg.Record]]:
        """All of one snapshot."""
        async with self._turn, self._connection.transaction(isolation="repeatable_read"):
            return [await self._connection.fetch(statement, *values) for statement, *values in queries]

    async def fetchrow(self, statement: str, *values: Any) -> asyncpg.Record | None:
        async with self._turn:
            return await self._connection.fetchrow(statement, *values)

    async def execute(self, statement: str, *values: Any) -> str:
        async with self._turn:
            return await self._connection.execute(statement, *values)

    async def listen(self, channel: str, notified: Callable[[], None]) -> None:
        """`notified` is called for each NOTIFY on the channel."""
        async with self._turn:
            await self._connection.add_listener(channel, lambda *_: notified())

    async def waiting_for(self, work: Awaitable[T]) -> T:
        """Give signs of life meanwhile. Raises what `work` raises, or the session's loss, which cancels it."""
        task = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait({task}, timeout=BEAT_S))[0]:
                await self.execute("SELECT 1")
            return task.result()
        finally:
            if not task.done():
                await ended([task])


async def connect_alone(dsn: str, name: str) -> "asyncpg.Connection[Any]":
    """Outside the pool: an advisory lock belongs to its session."""
    return await asyncpg.connect(
        dsn,
        timeout=10,
        command_timeout=_STATEMENT_S,
        server_settings={
            "application_name": name[:63],
            "timezone": "UTC",
            "lock_timeout": "5000",
            "idle_in_transaction_session_timeout": "10000",
            "tcp_keepalives_idle": "5",
            "tcp_keepalives_interval": "3",
            "tcp_keepalives_count": "3",
            "tcp_user_timeout": "15000",
        },
    )
