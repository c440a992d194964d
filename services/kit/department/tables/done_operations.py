"""Table `done_operation`: what an operation changed, so that the office can take it back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from services.kit.postgres.pool import Connection

_COLUMNS: Final = """
entry_id, operation, names, part_before, part_after, checks, gained, settled, undo_entry_id, undo_reason
"""


@dataclass(frozen=True, slots=True)
class DoneOperation:
    """`entry_id`: of its audit entry; `undo_entry_id`: of the one that took it back, for `undo_reason`."""

    entry_id: int
    operation: str
    names: Mapping[str, str]
    before: Any
    after: Any
    checks: frozenset[str]
    gained: frozenset[str]
    settled: bool
    undo_entry_id: int | None = None
    undo_reason: str | None = None


DoneColumns = tuple[str, str, str, str, str, list[str], list[str], bool]
DONE_NAMES: Final = "student_id, operation, names, part_before, part_after, checks, gained, settled"
DONE_TYPES: Final = ("text", "text", "jsonb", "jsonb", "jsonb", "text[]", "text[]", "boolean")
"""Of `done_columns`: they are stored with the id of their audit entry, by the statement that writes it."""


def done_columns(
    student_id: str,
    operation: str,
    names: Mapping[str, str],
    *,
    before: Any,
    after: Any,
    checks: frozenset[str],
    gained: frozenset[str],
    settled: bool,
) -> DoneColumns:
    """As in `DoneOperation`."""
    return (
        student_id,
        operation,
        json.dumps(names),
        json.dumps(before),
        json.dumps(after),
        sorted(checks),
        sorted(gained),
        settled,
    )


async def done_operations(connection: Connection, student_id: str) -> list[DoneOperation]:
    """Those that are still kept, newest first."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM done_operation WHERE student_id = $1 ORDER BY entry_id DESC", student_id
    )
    return [_done(row) for row in rows]


async def mark_undone(connection: Connection, done: DoneOperation, *, undo_entry_id: int, reason: str) -> bool:
    """False if it was taken back before."""
    marked = await connection.execute(
        "UPDATE done_operation SET undo_entry_id = $2, undo_reason = $3 WHERE entry_id = $1 AND undo_entry_id IS NULL",
        done.entry_id,
        undo_entry_id,
        reason,
    )
    return bool(marked == "UPDATE 1")


async def hand_evidence_on(connection: Connection, entry_id: int, checks: frozenset[str]) -> None:
    """A later operation becomes the first word about these checks."""
    await connection.execute(
        "UPDATE done_operation SET gained = ARRAY(SELECT unnest(gained || $2::text[]) ORDER BY 1) WHERE entry_id = $1",
        entry_id,
        sorted(checks),
    )


async def vouched_for(connection: Connection, entry_id: int, checks: frozenset[str]) -> None:
    """The operation is the only word about these checks no more."""
    await connection.execute(
        "UPDATE done_operation SET gained = ARRAY(SELECT unnest(gained) EXCEPT SELECT unnest($2::text[]) ORDER BY 1)"
        " WHERE entry_id = $1",
        entry_id,
        sorted(checks),
    )


def _done(row: asyncpg.Record) -> DoneOperation:
    return DoneOperation(
        row["entry_id"],
        row["operation"],
        json.loads(row["names"]),
        json.loads(row["part_before"]),
        json.loads(row["part_after"]),
        frozenset(row["checks"]),
        frozenset(row["gained"]),
        row["settled"],
        row["undo_entry_id"],
        row["undo_reason"],
    )
