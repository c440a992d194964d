"""PostgreSQL connection pool, and which errors are transient."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias, TypeVar

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from services.kit.backoff import Backoff

_RETRY_S: Final = (0.1, 2.0)

T = TypeVar("T")
Connection: TypeAlias = "asyncpg.Connection[Any] | PoolConnectionProxy[Any]"


async def open_pool(
    dsn: str,
    *,
    name: str,
    min_size: int = 1,
    max_size: int = 10,
    retry_for_s: float = 30.0,
    plain_reads: bool = False,
    by_key: bool = False,
) -> "asyncpg.Pool[asyncpg.Record]":
    """Waits `retry_for_s` for a starting server. Sessions are in UTC and time out.

    Who borrows a session leaves nothing behind in it: no lock of the session, no setting, no LISTEN, no table. So it is
    not reset when it is given back, which would cost as much as a statement or two.

    `plain_reads`: only single statements, mostly by key. They are planned once a session, not for each of their values:
    that costs more than they do. `by_key`: the same of reads that have no reason to read a table whole.
    """
    plain_reads = plain_reads or by_key
    session = _session(name) | (_PLAIN_READS if plain_reads else {}) | (_BY_KEY if by_key else {})

    async def connect() -> "asyncpg.Pool[asyncpg.Record]":
        return await asyncpg.create_pool(
            dsn,
            min_size=min_size,
            max_size=max_size,
            timeout=10,
            command_timeout=35,
            max_inactive_connection_lifetime=300,
            server_settings=session,
            reset=_keep,
        )

    return await retry_connecting(connect, retry_for_s)


_PLAIN_READS: Final = {
    "plan_cache_mode": "force_generic_plan",
    # By the default of 4, made for disks, a table of some thousand students is read whole to find eight of them.
    "random_page_cost": "1.1",
}
# A plan that is made before a table has statistics reads it whole, until somebody analyzes it.
_BY_KEY: Final = {"enable_seqscan": "off"}


def _session(name: str, statement_timeout_ms: int = 30_000, lock_timeout_ms: int = 10_000) -> dict[str, str]:
    return {
        "application_name": name[:63],
        "statement_timeout": str(statement_timeout_ms),
        "lock_timeout": str(lock_timeout_ms),
        "idle_in_transaction_session_timeout": "30000",
        "timezone": "UTC",
    }


async def _keep(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """asyncpg itself rolls back what is open."""


def database_probe(pool: "asyncpg.Pool[asyncpg.Record]") -> Callable[[], Awaitable[str | None]]:
    async def probe() -> str | None:
        await pool.fetchval("select 1")
        return None

    return probe


_OWNS_TABLES: Final = """
SELECT pg_has_role(current_user, relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('public.migration')
"""


async def owns_tables(pool: "asyncpg.Pool[asyncpg.Record]") -> str | None:
    """A warning of readiness: the pool's role may change tables and put triggers out of the way."""
    if not await pool.fetchval(_OWNS_TABLES):
        return None
    return "the service's role owns its tables: run the provisioning of databases, which makes an owner beside it"


_TRANSIENT_CLASSES: Final = ("08", "40", "53", "57", "58")
"""Connection, rollback, resources, operator intervention, system."""
_TRANSIENT_STATES: Final = frozenset({"25006", "25P03", "25P04", "55P03"})
"""Demoted primary, session timeouts, lock timeout."""
_OWN_FILES: Final = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)
_CLOSED: Final = (
    "connection is closed",
    "connection has been released",
    "pool is closing",
    "pool is closed",
    "cannot switch to state",
)
"""Also raised to the user of a connection whose server died; the last while its end is being received."""
DATABASE_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""All that a statement or a connection may raise, `TimeoutError` included."""
_OUTDATED: Final = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)
"""A concurrent migration; the next attempt prepares the statement anew."""


def transient(error: BaseException) -> bool:
    """Whether the same work may succeed later.

    True for network errors, restarts, failovers, timeouts, deadlocks, full disks and migrations; False for errors of
    the statement, its values or the login.
    """
    if isinstance(error, _OUTDATED):
        return True
    if isinstance(error, asyncpg.PostgresError):
        state = getattr(error, "sqlstate", None) or ""
        return state[:2] in _TRANSIENT_CLASSES or state in _TRANSIENT_STATES
    if isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError):
        return any(text in str(error) for text in _CLOSED)
    return isinstance(error, OSError) and not isinstance(error, _OWN_FILES)


_VALUE_CLASSES: Final = ("22", "54")
"""Data exceptions; limits of a program: depth, size of an index row."""


def refused_value(error: BaseException) -> bool:
    """Whether a value of this work can never be stored: out of range, not encodable, too deep, malformed."""
    if isinstance(error, asyncpg.PostgresError):
        return (getattr(error, "sqlstate", None) or "")[:2] in _VALUE_CLASSES
    return isinstance(error, asyncpg.DataError | UnicodeError | OverflowError | RecursionError)


async def retry_connecting(attempt: Callable[[], Awaitable[T]], retry_for_s: float) -> T:
    """Raises the last error."""
    deadline, backoff = time.monotonic() + retry_for_s, Backoff(*_RETRY_S)
    while True:
        try:
            return await attempt()
        except Exception as error:
            if not transient(error) or time.monotonic() + backoff.next_s > deadline:
                raise
        await backoff.wait()
