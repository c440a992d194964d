"""The table that a rebuild fills beside the view's: filled, compared, and put in its place or dropped."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

import asyncpg

from services.clearance.notify import notify
from services.clearance.view import view_store
from services.clearance.view.rebuilding.partition_rows import PartitionRow, PartitionRows
from services.clearance.view.records import Forgotten
from services.clearance.view.rows import Row
from services.kit.postgres.pool import Connection

REBUILT: Final = "status_rebuilt"
_AT_ONCE: Final = 5000
_COLUMNS: Final = (
    "student_id", "department", "version", "occurred_at", "heard_at", "source_partition", "source_offset",
    "unreadable_offset", "disputed", "older_offset", "older_since", "open_codes", "open_since", "first_offset",
    "status",
)  # fmt: skip
_NULL: Final = "\\N"
_LINES_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Comparison:
    """`differing`: rows that only one view has, or that differ. `records` and `took_s` are of the rebuild."""

    live_rows: int
    rebuilt_rows: int
    differing: int
    live_hash: str
    rebuilt_hash: str
    records: int = 0
    took_s: float = 0.0
    switched: bool = False

    @property
    def equal(self) -> bool:
        return self.differing == 0 and self.live_hash == self.rebuilt_hash


class RebuiltTable:
    """Only one is in use, and one coroutine at a time uses it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def load(self, kept: PartitionRows, *, now: datetime) -> None:
        """Rows that are usually new. `now`: when they were received."""
        await view_store.forget(self._connection, kept.forgotten(), table=REBUILT)
        try:
            await self._connection.copy_to_table(REBUILT, columns=_COLUMNS, source=_lines(kept.rows(), now))
        except asyncpg.UniqueViolationError:
            # Students who are on two partitions, or on one with more of them than are in memory.
            rows = [each.row for each in kept.rows()]
            for at in range(0, len(rows), _AT_ONCE):
                await view_store.apply_rows(self._connection, rows[at : at + _AT_ONCE], now=now, table=REBUILT)

    async def merge(self, forgotten: Sequence[Forgotten], rows: Sequence[Row], *, now: datetime) -> None:
        await view_store.forget(self._connection, forgotten, table=REBUILT)
        await view_store.apply_rows(self._connection, rows, now=now, table=REBUILT)

    async def take_over_times(self) -> None:
        """What the topics do not hold, from the live view: a second time it writes only what has changed since."""
        await self._connection.execute(_TAKE_OVER_TIMES)

    async def prepare(self) -> None:
        """For its use in the live view's place."""
        for index in await self._connection.fetch(_OTHER_INDEXES):
            _, _, what = index["definition"].partition(" USING ")
            unique = "UNIQUE " if index["indisunique"] else ""
            await self._connection.execute(
                f'CREATE {unique}INDEX "{REBUILT}_{index["name"]}" ON {REBUILT} USING {what}'
            )
        await self._connection.execute(f"ANALYZE {REBUILT}")

    async def compare(self) -> Comparison:
        """With the live view, as both stand in this transaction."""
        found = await self._connection.fetchrow(_COMPARE)
        assert found is not None
        return Comparison(**found)

    async def switch(self) -> None:
        """Views follow the renamed table, not its name, so they are recreated."""
        connection = self._connection
        views = await connection.fetch(
            "SELECT schemaname, viewname, definition FROM pg_views WHERE schemaname = 'published'"
        )
        await connection.execute(f"ALTER TABLE {view_store.VIEW} RENAME TO status_before")
        await connection.execute(f"ALTER TABLE {REBUILT} RENAME TO {view_store.VIEW}")
        for view in views:
            await connection.execute(
                f'CREATE OR REPLACE VIEW "{view["schemaname"]}"."{view["viewname"]}" AS {view["definition"]}'
            )
        await connection.execute("DROP TABLE status_before")
        # The triggers that keep the work lists went with it.
        await connection.execute("SELECT follow_open_statuses()")
        for index in await connection.fetch(_INDEXES):
            name = index["name"]
            await connection.execute(f'ALTER INDEX "{name}" RENAME TO "{name.removeprefix(f"{REBUILT}_")}"')
        await notify(connection)


@asynccontextmanager
async def rebuilt_table(connection: Connection, *, lasting: bool) -> AsyncIterator[RebuiltTable]:
    """Empty, with its key. One that is not `lasting` is the session's own: it goes with it, whatever happens.

    What a killed rebuild left is dropped.
    """
    drop = f"DROP TABLE IF EXISTS {REBUILT}"
    await connection.execute(drop)
    await connection.execute(
        f"""
        CREATE {"" if lasting else "TEMP "}TABLE {REBUILT} (
            LIKE {view_store.VIEW} INCLUDING ALL EXCLUDING INDEXES,
            CONSTRAINT {REBUILT}_{view_store.VIEW}_pkey PRIMARY KEY (student_id, department)
        ) WITH (fillfactor = 70)
        """
    )
    try:
        yield RebuiltTable(connection)
    finally:
        await connection.execute(drop)


async def _lines(rows: Iterator[PartitionRow], now: datetime) -> AsyncIterator[bytes]:
    """In COPY's text format, which costs a third of what binary values do that asyncpg encodes one by one."""
    heard_at = now.isoformat()
    while lines := [_line(each, heard_at) for each in islice(rows, _LINES_AT_ONCE)]:
        yield b"".join(lines)


def _line(kept: PartitionRow, heard_at: str) -> bytes:
    row, open_since = kept
    values = (
        f"{row.student_id}\t{row.department}\t{row.version}\t{row.occurred_at if row.version else _NULL}\t{heard_at}\t"
        f"{row.partition}\t{row.offset}\t{_or_null(row.unreadable_offset)}\t{row.disputed}\t"
        f"{_or_null(row.older_offset)}\t{_NULL if row.older_offset < 0 else heard_at}\t"
        f"{row.open_codes or _NULL}\t{open_since or _NULL}\t{_or_null(row.first_offset)}\t"
    )
    # Ids, names and instants have nothing that is to be escaped.
    return values.encode() + (_NULL.encode() if row.status is None else _escaped(row.status)) + b"\n"


def _escaped(text: bytes) -> bytes:
    text = text.replace(b"\\", b"\\\\")
    return text.replace(b"\t", b"\\t").replace(b"\n", b"\\n").replace(b"\r", b"\\r")


def _or_null(offset: int) -> int | str:
    return _NULL if offset < 0 else offset


_TAKE_OVER_TIMES: Final = f"""
UPDATE {REBUILT} AS rebuilt SET heard_at = kept.heard_at, open_since = kept.open_since
FROM (
    SELECT student_id, department, live.heard_at,
           CASE WHEN made.open_codes IS NOT NULL THEN coalesce(live.open_since, made.open_since) END AS open_since
    FROM {view_store.VIEW} AS live JOIN {REBUILT} AS made USING (student_id, department, version)
    WHERE live.heard_at <> made.heard_at
       OR made.open_codes IS NOT NULL AND live.open_since IS DISTINCT FROM made.open_since
) AS kept
WHERE (rebuilt.student_id, rebuilt.department) = (kept.student_id, kept.department)
"""

# Both views are read once, and compared as texts. The sort is of the digests only; equal texts need one between them.
_COMPARE: Final = f"""
SELECT count(live) AS live_rows, count(rebuilt) AS rebuilt_rows, count(*) FILTER (WHERE differs) AS differing,
       {view_store.hash_of("live")} AS live_hash, {view_store.hash_of("rebuilt")} AS rebuilt_hash
FROM (
    SELECT student_id, department, differs, live, CASE WHEN differs THEN md5(rebuilt_text) ELSE live END AS rebuilt
    FROM (
        SELECT student_id, department, live.text IS DISTINCT FROM rebuilt.text AS differs, md5(live.text) AS live,
               rebuilt.text AS rebuilt_text
        FROM (SELECT student_id, department, {view_store.ROW_TEXT} AS text FROM {view_store.VIEW}) AS live
        FULL JOIN (SELECT student_id, department, {view_store.ROW_TEXT} AS text FROM {REBUILT}) AS rebuilt
            USING (student_id, department)
        OFFSET 0
    ) AS pairs
    OFFSET 0
) AS digests
"""

_INDEXES: Final = f"""
SELECT relname AS name, indisunique, pg_get_indexdef(indexrelid) AS definition
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE indrelid = '{view_store.VIEW}'::regclass
"""
_OTHER_INDEXES: Final = f"{_INDEXES} AND NOT indisprimary"
