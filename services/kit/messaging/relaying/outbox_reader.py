"""What of the outbox is sent next, so that one student's rows leave in the order of their commits.

Ids follow the commits of one student, whose row every writer locks, but not those of the table: a transaction may
commit late under low ids. A read that starts behind them would send a newer row of that student first. So reads start
at a floor: below it everything was read, and no unfinished transaction can still commit a row.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg

from services.kit.postgres.leadership import LeaderSession, Query

BATCH_ROWS: Final = 2000
_MAX_UNSETTLED: Final = 1000
_EVERYTHING: Final = 2**63 - 1

# Rows up to $3 were read before: they are on their way to be deleted, or committed late, which is rare.
_READ: Final = """
SELECT id, CASE WHEN id > $3 THEN topic END AS topic, CASE WHEN id > $3 THEN key END AS key,
       CASE WHEN id > $3 THEN value END AS value, CASE WHEN id > $3 THEN traceparent END AS traceparent
FROM outbox WHERE id > $1 ORDER BY id LIMIT $2
"""
_READ_THESE: Final = "SELECT id, topic, key, value, traceparent FROM outbox WHERE id = ANY($1::bigint[]) ORDER BY id"
_SNAPSHOT: Final = """
SELECT pg_snapshot_xmin(snapshot)::text::bigint AS xmin, pg_snapshot_xmax(snapshot)::text::bigint AS xmax
FROM pg_current_snapshot() AS snapshot
"""


@dataclass(slots=True)
class Frontier:
    """Pure. Every row up to `floor` was read, and none can appear there any more.

    A row that appears late has an id below one that was visible before: so its transaction had begun before the read,
    and had a transaction id, because it had locked its student's row.
    """

    floor: int = 0
    ended_below: int = 0
    """Transactions below had ended before the next read."""
    unsettled: deque[tuple[int, int]] = field(default_factory=deque)
    """(first transaction id that began after a read, highest id of that read), ascending."""

    def read_up_to(self, last_id: int) -> None:
        """Everything visible from the floor to `last_id` was read."""
        while self.unsettled and self.unsettled[0][0] <= self.ended_below:
            _, settled_id = self.unsettled.popleft()
            self.floor = max(self.floor, min(settled_id, last_id))

    def snapshot(self, last_id: int, *, xmin: int, xmax: int) -> None:
        """Taken after a read whose highest id was `last_id`, or 0."""
        self.ended_below = xmin
        if last_id > (self.unsettled[-1][1] if self.unsettled else self.floor):
            if len(self.unsettled) == _MAX_UNSETTLED:
                self.unsettled.pop()
            self.unsettled.append((xmax, last_id))


@dataclass(slots=True)
class _Sweep:
    """Everything committed before `as_of` is read once a read reaches `up_to`."""

    as_of: datetime
    up_to: int = _EVERYTHING
    complete: bool = False


class OutboxReader:
    """Reads again what was committed late, and tells when everything committed before an instant was read."""

    def __init__(self, session: LeaderSession) -> None:
        self._session = session
        self._frontier = Frontier()
        self._sent_up_to = 0
        self._highest = 0
        self._leaving: frozenset[int] = frozenset()
        self._sweep: _Sweep | None = None
        self.beside: Sequence[asyncpg.Record] | None = None
        """What `beside` found in the read before, if that read everything."""

    async def read(self, *, whole: bool, beside: Query | None = None) -> Sequence[asyncpg.Record]:
        """The next rows. `whole`: from the start, and everything sent was deleted. `beside`: asked in one snapshot with
        a whole read.
        """
        as_of = datetime.now(UTC)
        limit = BATCH_ROWS + len(self._leaving)
        query = _READ, 0 if whole else self._frontier.floor, limit, self._sent_up_to
        found, *others = (
            await self._session.fetch_at_once(query, beside) if beside else [await self._session.fetch(*query)]
        )
        fresh = [row for row in found if row["id"] not in self._leaving][:BATCH_ROWS]
        exhausted = len(found) < limit and len(fresh) < BATCH_ROWS
        self.beside = others[0] if others and exhausted else None
        last_id = _EVERYTHING if exhausted else fresh[-1]["id"]
        self._highest = fresh[-1]["id"] if fresh else 0
        self._frontier.read_up_to(last_id)
        await self._swept(as_of if whole else None, last_id)
        if fresh and fresh[0]["id"] <= self._sent_up_to:
            return await self._session.fetch(_READ_THESE, [row["id"] for row in fresh])
        return fresh

    async def settle(self) -> None:
        """After each read."""
        if self._highest or self._frontier.unsettled:
            row = await self._session.fetchrow(_SNAPSHOT)
            assert row is not None
            self._frontier.snapshot(self._highest, xmin=row["xmin"], xmax=row["xmax"])

    def sent(self, rows: Sequence[asyncpg.Record]) -> list[int]:
        """Their ids; they are being deleted from now on."""
        ids = [row["id"] for row in rows]
        self._leaving = frozenset(ids)
        self._sent_up_to = max(self._sent_up_to, ids[-1])
        return ids

    def deleted(self) -> None:
        self._leaving = frozenset()

    def swept(self) -> datetime | None:
        """Everything committed before this instant was read: when what was read is sent, an alive mark may say so."""
        sweep = self._sweep
        if sweep is None or not sweep.complete:
            return None
        self._sweep = None
        return sweep.as_of

    async def _swept(self, began: datetime | None, last_id: int) -> None:
        if self._sweep is None and began is not None:
            self._sweep = _Sweep(began)
            if last_id < _EVERYTHING:
                row: Any = await self._session.fetchrow("SELECT max(id) AS id FROM outbox")
                self._sweep.up_to = row["id"] or 0
        if self._sweep is not None and last_id >= self._sweep.up_to:
            self._sweep.complete = True
