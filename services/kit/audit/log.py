"""Audit log: an entry per decision or staff operation, in its transaction."""

import getpass
import json
import os
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import Any, Final

from opentelemetry import trace

from services.kit.observability import subjects
from services.kit.postgres.pool import Connection

FORGOTTEN: Final = "forgotten"
"""Outcome of the entry behind which nothing about the student is shown."""
READ: Final = "read"
"""Outcome of an entry of somebody who only looked."""
CLIENT_ADDRESS: Final[ContextVar[str]] = ContextVar("client_address", default="")
"""Of the request that is answered: every entry it leads to has it as the detail `address`, and its trace as `trace`."""


def entries_of_each(source: str) -> str:
    """For a statement that writes more than the audit: CTEs that write an entry for each row of `source`, which has
    actor, act, outcome, student_id and, as text of `details_text`, details."""
    return f"""added AS (
    INSERT INTO audit.entry (actor, act, outcome, student_id, details)
    SELECT actor, act, outcome, student_id, details FROM {source} RETURNING entry_id
), listed AS (
    INSERT INTO audit.unsealed (entry_id) SELECT entry_id FROM added
)"""


_APPEND: Final = f"""
WITH about AS (
    SELECT $1::text AS actor, $2::text AS act, $3::text AS outcome, student_id, details
    FROM unnest($4::text[], $5::text[]) AS about (student_id, details)
), {entries_of_each("about")}
"""


async def append_entry(
    connection: Connection,
    *,
    actor: str,
    act: str,
    outcome: str,
    student_id: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> int:
    """`actor`: a principal, `student` or a service (`/lixiao/clearance`). Returns the entry's id.

    `details`: ids and versions, no name or student number. The open span says the same by an opaque key.
    """
    *same, student_id, text = entry_columns(
        actor=actor, act=act, outcome=outcome, student_id=student_id, details=details
    )
    entry_id: int = await connection.fetchval(f"{_APPEND} SELECT entry_id FROM added", *same, [student_id], [text])
    return entry_id


EntryColumns = tuple[str, str, str, str | None, str]
ENTRY_NAMES: Final = "actor, act, outcome, student_id, details"
ENTRY_TYPES: Final = ("text", "text", "text", "text", "text")


def entry_columns(
    *, actor: str, act: str, outcome: str, student_id: str | None = None, details: Mapping[str, Any] | None = None
) -> EntryColumns:
    """Of `append_entry`, for a statement that writes more than the audit: `entries_of_each` a row of them."""
    subjects.describe_current(student_id, act=act, outcome=outcome)
    return actor, act, outcome, student_id, details_text(details or {})


async def append_entries(
    connection: Connection,
    *,
    actor: str,
    act: str,
    outcome: str,
    about: Iterable[tuple[str | None, Mapping[str, Any]]],
) -> None:
    """One entry for each student with its details, in one statement."""
    entries = list(about)
    if not entries:
        return
    if len(entries) == 1:
        subjects.describe_current(entries[0][0], act=act, outcome=outcome)
    await connection.execute(
        f"{_APPEND} SELECT FROM added",
        actor,
        act,
        outcome,
        [student_id for student_id, _ in entries],
        [details_text(details) for _, details in entries],
    )


async def append_look_up(
    connection: Connection, *, actor: str, act: str, students: Iterable[str | None] = (None,), **details: Any
) -> None:
    """Before what was asked for is shown. Without `students` it was a list of many."""
    await append_entries(
        connection, actor=actor, act=act, outcome=READ, about=[(student_id, details) for student_id in students]
    )


def details_text(details: Mapping[str, Any]) -> str:
    """With the address and the trace of now."""
    context = trace.get_current_span().get_span_context()
    known = {"address": CLIENT_ADDRESS.get(), "trace": f"{context.trace_id:032x}" if context.is_valid else ""}
    return json.dumps(
        {**details, **{name: value for name, value in known.items() if value}},
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        default=str,
    )


async def entries_of(connection: Connection, student_id: str, *, limit: int) -> list[dict[str, Any]]:
    """`entry_id`, `at`, `actor`, `act`, `outcome` and `details`, newest first: what was done, not who looked.

    Nothing from before the student was forgotten.
    """
    rows = await connection.fetch(
        """
        SELECT entry_id, at, actor, act, outcome, details FROM audit.entry
        WHERE student_id = $1 AND outcome <> $4 AND entry_id > coalesce(
            (SELECT max(entry_id) FROM audit.entry WHERE student_id = $1 AND outcome = $3), 0)
        ORDER BY entry_id DESC LIMIT $2
        """,
        student_id,
        limit,
        FORGOTTEN,
        READ,
    )
    return [{**dict(row), "details": json.loads(row["details"])} for row in rows]


def command_line_actor() -> str:
    """User name, or uid."""
    try:
        return f"command line: {getpass.getuser()}"
    except (KeyError, OSError):
        return f"command line: uid {os.getuid()}"
