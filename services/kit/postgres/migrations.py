"""Schema migrations: numbered SQL files, each applied once, in a transaction.

They are applied as the owner of the tables. A service that works as another role finds nothing left to apply.
"""

import hashlib
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg
from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.kit.backoff import Backoff
from services.kit.names import AdvisoryLock
from services.kit.postgres.pool import _session, retry_connecting, transient

KIT_MIGRATIONS: Final = Path(__file__).parents[1] / "migrations"

_FILE: Final = re.compile(r"^[0-9]{4}_[a-z0-9_]+\.sql$")


_LOCK: Final = f"select pg_advisory_lock({AdvisoryLock.MIGRATION:d})"


_LOCK_BRIEFLY: Final = "set local lock_timeout = '1s'"
"""Behind a migration that waits for a table, all who use the table wait: so not for long, and rather again."""
_LOCK_AGAIN_S: Final = (0.5, 3.0)


MIGRATION_TABLE: Final = """
create table if not exists migration (
    name text primary key,
    sha256 text not null,
    applied_at timestamptz not null default now()
)
"""


_APPLIED: Final = "select name, sha256 from migration"
_MAY_APPLY: Final = "select has_schema_privilege('public', 'create')"


class MigrationError(Exception):
    """Names the file and the reason."""


@dataclass(frozen=True, slots=True)
class _Migration:
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def kit_folders(*names: str) -> tuple[Path, ...]:
    return tuple(KIT_MIGRATIONS / name for name in names)


async def migrate(dsn: str, folders: Sequence[Path], *, retry_for_s: float = 30.0) -> list[str]:
    """Returns the files newly applied, as `<service or folder>/NNNN_name.sql`.

    Concurrent runs wait for each other, and a file for a lock as long as for the server. Raises `MigrationError`.
    """
    wanted = _read(folders)
    session = _session("lixiao-migrate", statement_timeout_ms=600_000, lock_timeout_ms=60_000)
    connection = await retry_connecting(lambda: asyncpg.connect(dsn, timeout=10, server_settings=session), retry_for_s)
    try:
        # Untraced: each file would be a trace named after its first line.
        with suppress_instrumentation():
            return await _apply_all(connection, wanted, retry_for_s)
    finally:
        await connection.close(timeout=5)


async def _apply_all(
    connection: "asyncpg.Connection[Any]", wanted: Sequence[_Migration], retry_for_s: float
) -> list[str]:
    applied = await _applied(connection)
    missing = [each.name for each in wanted if applied.get(each.name) != each.sha256]
    if not missing:
        return []
    if not await connection.fetchval(_MAY_APPLY):
        raise MigrationError(
            f"{missing[0]} is not applied to this database as it is here, and its role may not do that: "
            "run the service's `migrate` command with LIXIAO_MIGRATION_DATABASE, the owner's address, first"
        )
    await connection.execute(_LOCK)
    await connection.execute(MIGRATION_TABLE)
    applied = await _applied(connection)
    return [each.name for each in wanted if await _apply(connection, each, applied.get(each.name), retry_for_s)]


async def _applied(connection: "asyncpg.Connection[Any]") -> dict[str, str]:
    """Name → SHA-256."""
    if await connection.fetchval("select to_regclass('migration')") is None:
        return {}
    return {row["name"]: row["sha256"] for row in await connection.fetch(_APPLIED)}


async def _apply(
    connection: "asyncpg.Connection[Any]", migration: _Migration, applied: str | None, retry_for_s: float
) -> bool:
    if applied == migration.sha256:
        return False
    if applied is not None:
        raise MigrationError(
            f"{migration.name} was changed after it was applied to this database: "
            "restore the file and make the change in a new one with the next number"
        )
    try:
        await _retry_locking(lambda: _run(connection, migration), retry_for_s)
    except asyncpg.PostgresError as error:
        if transient(error):
            raise
        raise MigrationError(f"{migration.name}: {error}") from error
    return True


async def _run(connection: "asyncpg.Connection[Any]", migration: _Migration) -> None:
    async with connection.transaction():
        await connection.execute(_LOCK_BRIEFLY)
        await connection.execute(migration.sql)
        await connection.execute(
            "insert into migration (name, sha256) values ($1, $2)", migration.name, migration.sha256
        )


async def _retry_locking(attempt: Callable[[], Awaitable[None]], retry_for_s: float) -> None:
    """Raises the last error."""
    deadline_s, backoff = time.monotonic() + retry_for_s, Backoff(*_LOCK_AGAIN_S)
    while True:
        try:
            return await attempt()
        except asyncpg.LockNotAvailableError:
            if time.monotonic() > deadline_s:
                raise
        await backoff.wait()


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
