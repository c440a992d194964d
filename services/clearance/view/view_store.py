"""The view in PostgreSQL: one set-based statement a batch that does `view.merge` against the stored rows.

Rows come sorted by key: two writers with unsorted keys would deadlock.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg

from services.clearance.view.fold import AliveMark, Key, Position, Row
from services.kit.postgres.pool import Connection

VIEW: Final = "status"

# The row comparison is `view.merge`'s: a newer version wins, and of one version the record said last. A version said
# with two contents is kept and disputed. A marked row that has no status yet (version 0) loses to any status.
STATUSES: Final = """
WITH changed AS (
    INSERT INTO {table} AS kept (student_id, department, version, occurred_at, heard_at, source_partition,
                                 source_offset, disputed, status)
    SELECT student_id, department, version, occurred_at, $9, source_partition, source_offset, disputed, status
    FROM unnest($1::text[], $2::text[], $3::int[], $4::timestamptz[], $5::int[], $6::bigint[], $7::boolean[],
                $8::text[]) AS said (student_id, department, version, occurred_at, source_partition, source_offset,
                                     disputed, status)
    ON CONFLICT (student_id, department) DO UPDATE SET
        version = excluded.version,
        occurred_at = excluded.occurred_at,
        heard_at = CASE WHEN excluded.version > kept.version THEN excluded.heard_at ELSE kept.heard_at END,
        source_partition = excluded.source_partition,
        source_offset = greatest(excluded.source_offset,
                                 CASE WHEN excluded.version = kept.version THEN kept.source_offset END),
        disputed = excluded.disputed
            OR excluded.version = kept.version AND (kept.disputed OR excluded.status <> kept.status),
        status = CASE WHEN excluded.version > kept.version OR excluded.source_offset > kept.source_offset
                 THEN excluded.status ELSE kept.status END
    WHERE excluded.version > kept.version
       OR excluded.version = kept.version
          AND (excluded.source_offset > kept.source_offset
               OR NOT kept.disputed AND (excluded.disputed OR excluded.status <> kept.status))
    RETURNING student_id, department, disputed
)
SELECT count(*) AS changed,
       array_agg(student_id ORDER BY student_id, department) FILTER (WHERE disputed) AS students,
       array_agg(department ORDER BY student_id, department) FILTER (WHERE disputed) AS departments
FROM changed
"""

_MARKS: Final = """
INSERT INTO {table} AS kept (student_id, department, version, heard_at, source_partition, source_offset,
                             unreadable_offset)
SELECT student_id, department, 0, $5, source_partition, -1, unreadable_offset
FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[])
     AS said (student_id, department, source_partition, unreadable_offset)
ON CONFLICT (student_id, department) DO UPDATE SET unreadable_offset = excluded.unreadable_offset
WHERE kept.unreadable_offset IS NULL OR excluded.unreadable_offset > kept.unreadable_offset
"""

# A mark from the future is believed only as far as the moment it was heard: else its source could never fall silent.
_ALIVE: Final = """
INSERT INTO source AS kept (department, partition, alive_as_of, heard_at)
SELECT department, partition, least(as_of, $4), $4
FROM unnest($1::text[], $2::int[], $3::timestamptz[]) AS said (department, partition, as_of)
ON CONFLICT (department, partition) DO UPDATE SET alive_as_of = excluded.alive_as_of, heard_at = excluded.heard_at
WHERE excluded.alive_as_of > kept.alive_as_of
"""


@dataclass(frozen=True, slots=True)
class Applied:
    """`changed` rows and sources differ now; `disputed` are the keys written whose version was said in two ways."""

    changed: int
    disputed: tuple[Key, ...] = ()


async def apply_rows(connection: Connection, rows: Sequence[Row], *, now: datetime, table: str = VIEW) -> Applied:
    """Merge sorted `rows` into `table`. `now` is when they were heard."""
    statuses = [row for row in rows if row.version]
    marks = [row for row in rows if row.unreadable_offset >= 0]
    applied = Applied(0)
    if statuses:
        answer = await connection.fetchrow(
            STATUSES.format(table=table),
            [row.student_id for row in statuses],
            [row.department for row in statuses],
            [row.version for row in statuses],
            [row.occurred_at for row in statuses],
            [row.partition for row in statuses],
            [row.offset for row in statuses],
            [row.disputed for row in statuses],
            [row.status for row in statuses],
            now,
        )
        assert answer is not None
        disputed = zip(answer["students"] or (), answer["departments"] or (), strict=True)
        applied = Applied(answer["changed"], tuple(disputed))
    if marks:
        done = await connection.execute(
            _MARKS.format(table=table),
            [row.student_id for row in marks],
            [row.department for row in marks],
            [row.partition for row in marks],
            [row.unreadable_offset for row in marks],
            now,
        )
        applied = Applied(applied.changed + _count(done), applied.disputed)
    return applied


async def apply_alive(connection: Connection, alive: Sequence[AliveMark], *, now: datetime) -> int:
    """Move the sources' marks forward; how many moved."""
    if not alive:
        return 0
    done = await connection.execute(
        _ALIVE,
        [each.department for each in alive],
        [each.partition for each in alive],
        [each.as_of for each in alive],
        now,
    )
    return _count(done)


async def discarded_positions(
    connection: Connection, consumer: str, positions: Iterable[Position]
) -> frozenset[Position]:
    """Those of `positions` whose dead letter an operator discarded: read again, they hide nothing.

    One that was replayed and is unreadable again (older code is back) is opened again.
    """
    topics, partitions, offsets = zip(*positions, strict=True)
    rows = await connection.fetch(
        """
        WITH met AS (
            SELECT id, topic, partition, "offset", ended_how FROM dead_letter
            JOIN unnest($2::text[], $3::int[], $4::bigint[]) AS at (topic, partition, "offset")
                USING (topic, partition, "offset")
            WHERE consumer = $1
        ), opened AS (
            UPDATE dead_letter SET ended_at = NULL, ended_how = NULL, ended_by = NULL, ended_why = NULL
            WHERE id IN (SELECT id FROM met WHERE ended_how = 'replayed')
        )
        SELECT topic, partition, "offset" FROM met WHERE ended_how = 'discarded'
        """,
        consumer,
        topics,
        partitions,
        offsets,
    )
    return frozenset((row["topic"], row["partition"], row["offset"]) for row in rows)


async def view_hash(connection: "Connection | asyncpg.Pool[Any]", table: str = VIEW) -> str:
    """A digest of what `table` says of every student: equal views have equal hashes, whenever and however heard.

    Positions and times of hearing are left out; whether an item is readable is in.
    """
    digest: str = await connection.fetchval(
        f"""
        SELECT encode(sha256(coalesce(string_agg(md5({ROW_TEXT})::bytea, ''::bytea
                                                 ORDER BY student_id COLLATE "C", department COLLATE "C"), '')), 'hex')
        FROM {table}
        """
    )
    return digest


READABLE: Final = "(NOT disputed AND coalesce(unreadable_offset < source_offset, true))"
ROW_TEXT: Final = (
    f"concat_ws(chr(31), student_id, department, version, {READABLE}, extract(epoch from occurred_at), status)"
)
"""What a row says, as one text. No unit separator can stand in any part: names and JSON have no control characters."""


def _count(done: str) -> int:
    return int(done.rsplit(" ", 1)[-1])
