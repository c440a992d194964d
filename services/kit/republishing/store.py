"""Table `republication`: requests to publish again, and how far each is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services.kit.audit import log
from services.kit.postgres.pool import Connection

MAX_PAGE: Final = 100
RESTORED: Final = "database-restored"
LOG_LOST: Final = "log-lost"
"""Reasons of a service that asks itself."""


@dataclass(frozen=True, slots=True)
class Scope:
    """`student_ids`: none for every student. `partition`: of the topic, None for every one."""

    student_ids: tuple[str, ...] = ()
    partition: int | None = None


EVERYTHING: Final = Scope()


@dataclass(frozen=True, slots=True)
class Republication:
    """Without the students: no personal data. `students`: how many were named, 0 for every one."""

    republication_id: int
    students: int
    partition: int | None
    reason: str
    asked_by: str
    asked_at: datetime
    considered: int
    published: int
    finished_at: datetime | None


async def request(connection: Connection, scope: Scope, *, reason: str, by: str) -> Republication:
    """One that includes the scope and has not begun is found again; named students do not wait for every other."""
    row = await connection.fetchrow(_WAITING, list(scope.student_ids), scope.partition)
    if row is None:
        row = await connection.fetchrow(_INSERT, sorted(set(scope.student_ids)), scope.partition, reason, by)
        assert row is not None
        await log.append_entry(
            connection,
            actor=by,
            act="republication.ask",
            outcome="asked",
            student_id=scope.student_ids[0] if len(scope.student_ids) == 1 else None,
            details={"republication": row["republication_id"], "partition": scope.partition, "reason": reason},
        )
    return _republication(row)


async def find(connection: Connection, republication_id: int) -> Republication | None:
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM republication WHERE republication_id = $1", republication_id
    )
    return None if row is None else _republication(row)


async def latest(
    connection: Connection, *, before: int | None = None, limit: int = 20
) -> tuple[list[Republication], int | None]:
    """Newest first; with the next page's `before`."""
    rows = await connection.fetch(_LATEST, before, min(limit, MAX_PAGE) + 1)
    found = [_republication(row) for row in rows[: min(limit, MAX_PAGE)]]
    return found, found[-1].republication_id if len(rows) > len(found) else None


@dataclass(frozen=True, slots=True)
class Taken:
    """Locked by this transaction."""

    republication_id: int
    scope: Scope
    done_to: str


async def waits(connection: Connection) -> bool:
    """Whether any is unfinished, worked on or not."""
    return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM republication WHERE finished_at IS NULL)"))


async def take(connection: Connection) -> Taken | None:
    """The next that no other instance works on: named students first, they are few."""
    row = await connection.fetchrow(_TAKE)
    if row is None:
        return None
    return Taken(row["republication_id"], Scope(tuple(row["student_ids"]), row["partition"]), row["done_to"])


async def advance(connection: Connection, taken: Taken, done_to: str, *, considered: int, published: int) -> None:
    await connection.execute(_ADVANCE, taken.republication_id, done_to, considered, published)


async def finish(connection: Connection, taken: Taken) -> Republication:
    row = await connection.fetchrow(_FINISH, taken.republication_id)
    assert row is not None
    return _republication(row)


def _republication(row: Any) -> Republication:
    return Republication(**dict(row))


def following(names: tuple[str, str], scope: Scope) -> str:
    """SQL for the scope's students behind $1, at most $2; $3 are the named ones. `names`: table and column."""
    table, column = names
    named = f"{column} = ANY($3::text[])" if scope.student_ids else "cardinality($3::text[]) = 0"
    return f"SELECT {column} AS student_id FROM {table} WHERE {column} > $1 AND {named} ORDER BY {column} LIMIT $2"


_COLUMNS: Final = (
    "republication_id, cardinality(student_ids) AS students, partition, reason, asked_by, asked_at, considered,"
    " published, finished_at"
)
_WAITING: Final = f"""
SELECT {_COLUMNS} FROM republication
WHERE finished_at IS NULL AND considered = 0 AND done_to = ''
  AND CASE WHEN cardinality(student_ids) > 0 THEN cardinality($1::text[]) > 0 AND student_ids @> $1
      ELSE cardinality($1::text[]) = 0 AND (partition IS NULL OR partition = $2) END
ORDER BY republication_id LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_INSERT: Final = f"""
INSERT INTO republication (student_ids, partition, reason, asked_by) VALUES ($1, $2, $3, $4) RETURNING {_COLUMNS}
"""
_LATEST: Final = f"""
SELECT {_COLUMNS} FROM republication WHERE $1::bigint IS NULL OR republication_id < $1
ORDER BY republication_id DESC LIMIT $2
"""
_TAKE: Final = """
SELECT republication_id, student_ids, partition, done_to FROM republication WHERE finished_at IS NULL
ORDER BY cardinality(student_ids) = 0, republication_id LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_ADVANCE: Final = """
UPDATE republication SET done_to = $2, considered = considered + $3, published = published + $4
WHERE republication_id = $1
"""
_FINISH: Final = f"""
UPDATE republication SET finished_at = clock_timestamp() WHERE republication_id = $1 RETURNING {_COLUMNS}
"""
