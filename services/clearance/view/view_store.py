"""The view in PostgreSQL: one statement does `rows.merge` against the stored rows.

Rows come sorted by key, else two writers would deadlock.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import asyncpg

from services.clearance.view.records import Forgotten
from services.clearance.view.rows import Key, Row
from services.kit.messaging.log_positions.offsets import MOVED, STANDING, OneClaim
from services.kit.names import VIEW_CHANNEL
from services.kit.postgres.pool import Connection
from services.kit.view_groups import GROUP_SQL, MOST_NAMED

VIEW: Final = "status"
READABLE: Final = "status_readable(disputed, unreadable_offset, coalesce(first_offset, source_offset), older_offset)"

# As in `rows.merge` a newer version wins, and of one version the later record. A version with two contents is kept and
# disputed. A row that has a mark and no status yet (version 0) loses to any status. An older version is kept as the
# place where it stands, if that is behind everything else. Where a version was read first is kept if it was repeated.
_UPSERT: Final = """
WITH {before}changed AS (
    INSERT INTO {table} AS stored (student_id, department, version, occurred_at, heard_at, source_partition,
                                 source_offset, disputed, status, older_offset, older_since, open_codes, open_since,
                                 first_offset)
    SELECT student_id, department, version, occurred_at, $1::timestamptz, source_partition, source_offset,
           coalesce(disputed, false), status, older_offset, CASE WHEN older_offset IS NOT NULL THEN $1::timestamptz END,
           open_codes, CASE WHEN open_codes IS NOT NULL THEN occurred_at END, first_offset
    FROM unnest(string_to_array($2, chr(30)), string_to_array($3, chr(30)), string_to_array($4, chr(30))::int[],
                string_to_array($5, chr(30))::timestamptz[], string_to_array($6, chr(30))::int[],
                string_to_array($7, chr(30))::bigint[], string_to_array(convert_from($8, 'UTF8'), chr(30)),
                string_to_array($9, chr(30), ''), string_to_array($10, chr(30))::boolean[],
                string_to_array($11, chr(30), '')::bigint[], string_to_array($12, chr(30), '')::bigint[])
         AS incoming (student_id, department, version, occurred_at, source_partition, source_offset, status,
                      open_codes, disputed, older_offset, first_offset){only}
    ON CONFLICT (student_id, department) DO UPDATE SET
        version = greatest(excluded.version, stored.version),
        occurred_at = CASE WHEN excluded.version < stored.version THEN stored.occurred_at ELSE excluded.occurred_at END,
        heard_at = CASE WHEN excluded.version > stored.version THEN excluded.heard_at ELSE stored.heard_at END,
        source_partition = CASE WHEN excluded.version < stored.version
                           THEN stored.source_partition ELSE excluded.source_partition END,
        source_offset = {offset},
        disputed = CASE WHEN excluded.version < stored.version THEN stored.disputed ELSE excluded.disputed
            OR excluded.version = stored.version AND (stored.disputed OR excluded.status <> stored.status) END,
        status = CASE WHEN {newer} THEN excluded.status ELSE stored.status END,
        older_offset = CASE WHEN {last} > {offset} THEN {last} END,
        older_since = CASE WHEN {last} > {offset} THEN coalesce(stored.older_since, $1::timestamptz) END,
        open_codes = CASE WHEN {newer} THEN excluded.open_codes ELSE stored.open_codes END,
        open_since = CASE WHEN NOT ({newer}) THEN stored.open_since
                     WHEN excluded.open_codes IS NOT NULL THEN coalesce(stored.open_since, excluded.open_since) END,
        first_offset = CASE WHEN excluded.version > stored.version THEN excluded.first_offset
                       WHEN excluded.version < stored.version THEN stored.first_offset
                       ELSE nullif({first}, {offset}) END
    WHERE {accepted}
    RETURNING student_id, department, version, disputed
)
"""
_ACCEPTED: Final = """excluded.version > stored.version
       OR greatest(excluded.source_offset, excluded.older_offset) > greatest(stored.source_offset, stored.older_offset)
       OR excluded.version = stored.version
          AND (excluded.source_offset > stored.source_offset
               OR {first} < coalesce(stored.first_offset, stored.source_offset)
               OR NOT stored.disputed AND (excluded.disputed OR excluded.status <> stored.status))"""
_ANSWER: Final = """SELECT count(*) AS changed,
       array_agg(student_id ORDER BY student_id, department) FILTER (WHERE disputed) AS students,
       array_agg(department ORDER BY student_id, department) FILTER (WHERE disputed) AS departments,
       array_agg(version ORDER BY student_id, department) FILTER (WHERE disputed) AS versions{also}
FROM changed
"""
# Of the view that is read: its listeners are woken, and whose form may be concerned is found, in the same round trip.
_ALSO: Final = """,
       (SELECT array_agg(DISTINCT student_id) FROM attested_number
        WHERE student_id = ANY(string_to_array($2, chr(30)))) AS submitted,
       CASE WHEN count(*) > {most} THEN pg_notify('{channel}', '')
            WHEN count(*) > 0 THEN pg_notify('{channel}', (SELECT string_agg(DISTINCT {group}, ',') FROM changed))
       END AS notified"""
_OFFSET: Final = """CASE WHEN excluded.version < stored.version THEN stored.source_offset
            WHEN excluded.version = stored.version THEN greatest(excluded.source_offset, stored.source_offset)
            ELSE excluded.source_offset END"""
_LAST: Final = "greatest(excluded.source_offset, excluded.older_offset, stored.source_offset, stored.older_offset)"
_NEWER: Final = """excluded.version > stored.version
            OR excluded.version = stored.version AND excluded.source_offset > stored.source_offset"""
# Of one version.
_FIRST: Final = """least(excluded.source_offset, excluded.first_offset, stored.source_offset, stored.first_offset)"""


def _upsert(*, before: str = "", only: str = "", accepted: str = _ACCEPTED) -> str:
    """`before`: CTEs that the rows hang on; `only`: which rows; `accepted`: those that the stored ones lose to."""
    parts = {"{before}": before, "{only}": only, "{accepted}": accepted}
    parts |= {"{offset}": _OFFSET, "{last}": _LAST, "{newer}": _NEWER, "{first}": _FIRST}
    statement = _UPSERT
    for name, part in parts.items():
        statement = statement.replace(name, part)
    return statement


_MERGED: Final = f"{_upsert()}{_ANSWER}"
MERGE_STATUS: Final = _MERGED[_MERGED.index("ON CONFLICT") : _MERGED.index("RETURNING")].replace(
    "$1::timestamptz", "now()"
)
"""What an INSERT into the view by others than the projector has to end with: their rows may come in any order."""
UPSERT_STATUSES: Final = _MERGED.replace("{table}", VIEW).replace(
    "{also}", _ALSO.format(channel=VIEW_CHANNEL, most=MOST_NAMED, group=GROUP_SQL)
)
"""Into the view; NOTIFY once a batch, because it takes a database-wide lock."""
_CLAIM: Final = [f"${number}" for number in range(13, 22)]
# A newer version than the stored one, of a student whom no accepted form is about: nothing else is to be done for it.
UPSERT_ALONE: Final = f"""
{
    _upsert(
        before=f"standing AS ({STANDING.format(claim=_CLAIM)}), ",
        only='''
    WHERE EXISTS (SELECT FROM standing) AND NOT EXISTS (SELECT FROM attested_number WHERE student_id = $2)''',
        accepted="excluded.version > stored.version",
    ).replace("{table}", VIEW)
}, moved AS ({MOVED.format(claim=_CLAIM)} AND EXISTS (SELECT FROM changed) RETURNING true)
SELECT pg_notify('{VIEW_CHANNEL}', (SELECT {GROUP_SQL} FROM changed)) IS NOT NULL FROM moved
"""
"""One status with the position behind it, or nothing at all."""

_MARKS: Final = """
INSERT INTO {table} AS stored (student_id, department, version, heard_at, source_partition, source_offset,
                             unreadable_offset)
SELECT student_id, department, 0, $5, source_partition, -1, unreadable_offset
FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[])
     AS incoming (student_id, department, source_partition, unreadable_offset)
ON CONFLICT (student_id, department) DO UPDATE SET unreadable_offset = excluded.unreadable_offset
WHERE stored.unreadable_offset IS NULL OR excluded.unreadable_offset > stored.unreadable_offset
"""

_FORGET: Final = """
DELETE FROM {table} AS stored
USING unnest($1::text[], $2::text[], $3::bigint[]) AS gone (student_id, department, at_offset)
WHERE (stored.student_id, stored.department) = (gone.student_id, gone.department)
  AND greatest(source_offset, unreadable_offset, older_offset) < at_offset
"""


_SEPARATOR: Final = "\x1e"
Columns = tuple[
    list[str], list[str], list[int], list[str], list[int], list[int], list[bytes], list[str],
    list[bool] | None, list[str] | None, list[str] | None,
]  # fmt: skip
"""In the order of the statement's parameters, without the instant of receipt. None: nothing but the usual value."""


@dataclass(frozen=True, slots=True)
class Applied:
    """`disputed`: written keys whose version has two contents. `submitted`: whose of the students' numbers an accepted
    form is about; of the view alone.
    """

    changed: int
    disputed: tuple[Key, ...] = ()
    submitted: frozenset[str] = frozenset()


def columns_of(rows: Sequence[Row]) -> Columns:
    return (
        [row.student_id for row in rows],
        [row.department for row in rows],
        [row.version for row in rows],
        [row.occurred_at for row in rows],
        [row.partition for row in rows],
        [row.offset for row in rows],
        [row.status or b"" for row in rows],
        [row.open_codes or "" for row in rows],
        [row.disputed for row in rows] if any(row.disputed for row in rows) else None,
        _offsets([row.older_offset for row in rows]),
        _offsets([row.first_offset for row in rows]),
    )


def _offsets(offsets: list[int]) -> list[str] | None:
    return ["" if offset < 0 else str(offset) for offset in offsets] if max(offsets) >= 0 else None


def bound(columns: Columns) -> list[str | bytes | None]:
    """Each column as one text: an array would have each of its values asked, slowly, whether it is a container.

    What separates two stands in no name, number, instant or JSON document, which has it only escaped.
    """
    students, departments, versions, instants, partitions, offsets, statuses, codes, disputed, older, first = columns
    return [
        _SEPARATOR.join(students),
        _SEPARATOR.join(departments),
        _SEPARATOR.join(map(str, versions)),
        _SEPARATOR.join(instants),
        _SEPARATOR.join(map(str, partitions)),
        _SEPARATOR.join(map(str, offsets)),
        _SEPARATOR.encode().join(statuses),
        _SEPARATOR.join(codes),
        None if disputed is None else _SEPARATOR.join(map(str, disputed)),
        None if older is None else _SEPARATOR.join(older),
        None if first is None else _SEPARATOR.join(first),
    ]


async def apply_rows(connection: Connection, rows: Sequence[Row], *, now: datetime, table: str = VIEW) -> Applied:
    """`rows` are sorted. `now`: when they were received. Of the view, statuses that changed it are notified."""
    statuses = [row for row in rows if row.version]
    marks = [row for row in rows if row.unreadable_offset >= 0]
    applied = Applied(0)
    if statuses:
        statement = UPSERT_STATUSES if table == VIEW else _MERGED.replace("{table}", table).replace("{also}", "")
        answer = await connection.fetchrow(statement, now, *bound(columns_of(statuses)))
        assert answer is not None
        disputed = zip(answer["students"] or (), answer["departments"] or (), answer["versions"] or (), strict=True)
        # Without those that were disputed before, and behind which an older version stands now.
        versions = {row.key: row.version for row in statuses} if answer["students"] else {}
        keys = tuple(
            (student, department) for student, department, at in disputed if versions[student, department] == at
        )
        applied = Applied(answer["changed"], keys, frozenset(answer.get("submitted") or ()))
    if marks:
        done = await connection.execute(
            _MARKS.format(table=table),
            [row.student_id for row in marks],
            [row.department for row in marks],
            [row.partition for row in marks],
            [row.unreadable_offset for row in marks],
            now,
        )
        applied = replace(applied, changed=applied.changed + _count(done))
    return applied


async def apply_alone(connection: Connection, row: Row, claim: OneClaim, *, now: datetime) -> bool:
    """One status, with its position, by one statement that is a transaction of its own; as `apply_rows`, notified.

    False, and nothing written, if there is more to it: somebody else has read on, the view is as new, or it concerns an
    accepted form.
    """
    return bool(await connection.fetchval(UPSERT_ALONE, now, *bound(columns_of([row])), *claim))


async def forget(connection: Connection, forgotten: Sequence[Forgotten], *, table: str = VIEW) -> int:
    """Delete the rows that stand before the tombstones, sorted by key; how many there were."""
    if not forgotten:
        return 0
    done = await connection.execute(
        _FORGET.format(table=table),
        [gone.student_id for gone in forgotten],
        [gone.department for gone in forgotten],
        [gone.offset for gone in forgotten],
    )
    return _count(done)


async def view_hash(connection: "Connection | asyncpg.Pool[Any]", table: str = VIEW) -> str:
    """Of content and readability; positions and times of receipt are left out."""
    digest: str = await connection.fetchval(
        f"""
        SELECT {hash_of("digest")}
        FROM (SELECT student_id, department, md5({ROW_TEXT}) AS digest FROM {table} OFFSET 0) AS digests
        """
    )
    return digest


def hash_of(digests: str) -> str:
    """Of a view, in SQL. `digests`: the column with the MD5 of each `ROW_TEXT`."""
    in_order = f"""string_agg({digests}::bytea, ''::bytea ORDER BY student_id COLLATE "C", department COLLATE "C")"""
    return f"encode(sha256(coalesce({in_order}, '')), 'hex')"


ROW_TEXT: Final = f"""concat_ws(chr(31), student_id, department, version,
    {READABLE},
    extract(epoch from occurred_at), status)"""
"""A row as one text: names and JSON have no unit separator."""


def _count(done: str) -> int:
    return int(done.rsplit(" ", 1)[-1])
