"""PostgreSQL: a pool with every limit set, plain SQL migrations, and which errors are only the moment's fault."""

import asyncio
import hashlib
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from opentelemetry.instrumentation.utils import suppress_instrumentation

_FILE: Final = re.compile(r"^[0-9]{4}_[a-z0-9_]+\.sql$")
_LOCK: Final = "select pg_advisory_lock(hashtextextended('lixiao.migration', 0))"
_TABLE: Final = """
create table if not exists migration (
    name text primary key,
    sha256 text not null,
    applied_at timestamptz not null default now()
)
"""
_FIRST_DELAY_S: Final = 0.1
_LONGEST_DELAY_S: Final = 2.0

T = TypeVar("T")
Connection: TypeAlias = "asyncpg.Connection[Any] | PoolConnectionProxy[Any]"
"""A connection of one's own or one lent by a pool."""


class MigrationError(Exception):
    """The migrations on disk and what the database remembers cannot both be right. The text says which file and why."""


async def open_pool(
    dsn: str, *, name: str, min_size: int = 1, max_size: int = 10, patience_s: float = 30.0
) -> "asyncpg.Pool[asyncpg.Record]":
    """A pool whose sessions are named `name`, live in UTC and cannot hang.

    Waits up to `patience_s` for a server that is starting; then raises what the last attempt raised.
    """

    async def connect() -> "asyncpg.Pool[asyncpg.Record]":
        return await asyncpg.create_pool(
            dsn,
            min_size=min_size,
            max_size=max_size,
            timeout=10,
            command_timeout=35,
            max_inactive_connection_lifetime=300,
            server_settings=_session(name),
            reset=_reset,
        )

    return await _patiently(connect, patience_s)


def _session(name: str, statement_timeout_ms: int = 30_000, lock_timeout_ms: int = 10_000) -> dict[str, str]:
    return {
        "application_name": name[:63],
        "statement_timeout": str(statement_timeout_ms),
        "lock_timeout": str(lock_timeout_ms),
        "idle_in_transaction_session_timeout": "30000",
        "timezone": "UTC",
    }


async def _reset(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    # asyncpg's own reset, but outside the traces: each release of a connection would be a span of its own.
    with suppress_instrumentation():
        await connection.execute(connection.get_reset_query())


def database_probe(pool: "asyncpg.Pool[asyncpg.Record]") -> Callable[[], Awaitable[str | None]]:
    """A health probe: whether the database answers."""

    async def probe() -> str | None:
        await pool.fetchval("select 1")
        return None

    return probe


@dataclass(frozen=True, slots=True)
class _Migration:
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


async def migrate(dsn: str, folders: Sequence[Path], *, patience_s: float = 30.0) -> list[str]:
    """Apply the files `NNNN_name.sql` of `folders` in order, each in its own transaction; the names newly applied.

    A name is `<folder>/<file>`, the folder being that of the service for one called `migrations`. Processes that start
    together wait for each other. Raises `MigrationError` when an applied file was changed or a file is misnamed.
    """
    wanted = _read(folders)
    session = _session("lixiao-migrate", statement_timeout_ms=600_000, lock_timeout_ms=60_000)
    connection = await _patiently(lambda: asyncpg.connect(dsn, timeout=10, server_settings=session), patience_s)
    try:
        # Untraced: a start is not a request, and each file would be a trace named after its first line.
        with suppress_instrumentation():
            return await _apply_all(connection, wanted)
    finally:
        await connection.close(timeout=5)


async def _apply_all(connection: "asyncpg.Connection[Any]", wanted: Sequence[_Migration]) -> list[str]:
    await connection.execute(_LOCK)
    await connection.execute(_TABLE)
    applied = {row["name"]: row["sha256"] for row in await connection.fetch("select name, sha256 from migration")}
    return [each.name for each in wanted if await _apply(connection, each, applied.get(each.name))]


async def _apply(connection: "asyncpg.Connection[Any]", migration: _Migration, applied: str | None) -> bool:
    if applied == migration.sha256:
        return False
    if applied is not None:
        raise MigrationError(
            f"{migration.name} was changed after it was applied to this database: "
            "restore the file and say the change in a new one with the next number"
        )
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "insert into migration (name, sha256) values ($1, $2)", migration.name, migration.sha256
            )
    except asyncpg.PostgresError as error:
        if transient(error):
            raise
        raise MigrationError(f"{migration.name}: {error}") from error
    return True


def _read(folders: Iterable[Path]) -> list[_Migration]:
    found: dict[str, _Migration] = {}
    for folder in folders:
        if not folder.is_dir():
            raise MigrationError(f"there is no folder of migrations at {folder}")
        label = folder.parent.name if folder.name == "migrations" else folder.name
        numbers: set[str] = set()
        for path in sorted(folder.glob("*.sql")):
            name = f"{label}/{path.name}"
            if not _FILE.match(path.name):
                raise MigrationError(f"{name}: a migration is named like 0001_what_it_does.sql")
            if path.name[:4] in numbers or name in found:
                raise MigrationError(f"{name}: its number is taken twice")
            numbers.add(path.name[:4])
            found[name] = _Migration(name, path.read_text("utf-8"))
    return list(found.values())


_TRANSIENT_CLASSES: Final = ("08", "40", "53", "57", "58")
"""Connection, rollback (deadlock, serialization), resources (disk, connections), operator intervention, system."""
_TRANSIENT_STATES: Final = frozenset({"25006", "25P03", "25P04", "55P03"})
"""A standby that was the primary, session timeouts, a lock not had in time."""
_OWN_FILES: Final = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)
_CLOSED: Final = ("connection is closed", "connection has been released", "pool is closing", "pool is closed")
"""A pool takes a connection back at the moment its server dies, so that its user hears it was released."""
_OUTDATED: Final = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)
"""A migration ran beside this session; the next attempt prepares the statement anew."""


def transient(error: BaseException) -> bool:
    """Whether the same work may succeed later without anybody changing anything.

    True for networks, restarts, failovers, timeouts, deadlocks, full disks and migrations beside us; False for what
    the statement or its values caused, for a wrong password or name, and for cancellation.
    """
    if isinstance(error, _OUTDATED):
        return True
    if isinstance(error, asyncpg.PostgresError):
        state = getattr(error, "sqlstate", None) or ""
        return state[:2] in _TRANSIENT_CLASSES or state in _TRANSIENT_STATES
    if isinstance(error, asyncpg.InterfaceError):
        return any(words in str(error) for words in _CLOSED)
    return isinstance(error, OSError) and not isinstance(error, _OWN_FILES)


async def _patiently(attempt: Callable[[], Awaitable[T]], patience_s: float) -> T:
    deadline = time.monotonic() + patience_s
    delay_s = _FIRST_DELAY_S
    while True:
        try:
            return await attempt()
        except Exception as error:
            if not transient(error) or time.monotonic() + delay_s > deadline:
                raise
        await asyncio.sleep(delay_s)
        delay_s = min(2 * delay_s, _LONGEST_DELAY_S)
