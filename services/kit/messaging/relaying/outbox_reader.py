"""What of the outbox is sent next, so that one student's rows leave in the order of their commits.

Ids follow the commits of one student, whose row every writer locks, but not those of the table: a transaction may
commit late under low ids. It leaves a gap in what is read, so after a gap, what is new is sent only after another look
for what has appeared among the ids read before. That look begins at a floor, below which no row can appear any more.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg

from services.kit.postgres.leadership import LeaderSession, Query

BATCH_ROWS: Final = 2000
_MAX_UNSETTLED: Final = 1000
_EVERYTHING: Final = 2**63 - 1

# The read's own transaction id is taken after its snapshot, whose `xmax` would not do: it is one past the highest
# transaction that has ended, and an unfinished one may be above it.
NEW_ROWS: Final = """
SELECT id, topic, key, value, traceparent, (SELECT pg_current_xact_id()::text::bigint) AS own_xid
FROM outbox WHERE id > $1 ORDER BY id LIMIT $2
"""
LATE_IDS: Final = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS ended_below,
       ARRAY(SELECT id FROM outbox WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3) AS ids
"""
ROWS: Final = "SELECT id, topic, key, value, traceparent FROM outbox WHERE id = ANY($1::bigint[]) ORDER BY id"


@dataclass(slots=True)
class Frontier:
    """Pure. Every row up to `floor` was read, and none can appear there any more.

    A row that appears late has an id below one that was visible before: so its transaction had begun before the read,
    and had a transaction id, because it had locked its student's row.
    """

    floor: int = 0
    unsettled: deque[tuple[int, int]] = field(default_factory=deque)
    """(above the id of every transaction that was unfinished at a read, highest id of that read), ascending."""

    @property
    def highest(self) -> int:
        """Of all ids read."""
        return self.unsettled[-1][1] if self.unsettled else self.floor

    def read(self, first_id: int, last_id: int, *, count: int, own_xid: int) -> None:
        """All `count` visible rows from `first_id` to `last_id`; visible rows below `first_id` were read before."""
        if last_id <= self.highest:
            return
        if first_id > self.highest + 1 or last_id - first_id + 1 > count:
            if len(self.unsettled) == _MAX_UNSETTLED:
                self.unsettled.pop()
            self.unsettled.append((own_xid, last_id))
        elif self.unsettled:
            self.unsettled[-1] = (self.unsettled[-1][0], last_id)
        else:
            self.floor = last_id

    def settle(self, ended_below: int) -> None:
        """All rows up to `highest` were read that were visible once all transactions below `ended_below` had ended."""
        while self.unsettled and self.unsettled[0][0] <= ended_below:
            self.floor = self.unsettled.popleft()[1]


@dataclass(slots=True)
class _Sweep:
    """Everything committed before `as_of` is read once a read reaches `up_to`."""

    as_of: datetime
    up_to: int = _EVERYTHING
    complete: bool = False


class OutboxReader:
    """Reads what was committed late before what is new, and tells when everything committed before an instant was read.

    `deleted` waits until rows read before are deleted: nothing is read twice.
    """

    def __init__(self, session: LeaderSession, deleted: Callable[[], Awaitable[None]]) -> None:
        self._session, self._deleted = session, deleted
        self._frontier = Frontier()
        self._sweep: _Sweep | None = None
        self.more = False
        """The read before has left rows that it saw, or may have: to be read at once."""
        self.beside: Sequence[asyncpg.Record] | None = None
        """What `beside` found in the read before, if that read everything."""

    async def read(self, *, whole: bool, beside: Query | None = None) -> Sequence[asyncpg.Record]:
        """The next rows; those of the read before are sent. `whole`: from the start.

        `beside`: asked in one snapshot with a whole read.
        """
        as_of = datetime.now(UTC)
        if whole:
            await self._deleted()
        query = NEW_ROWS, 0 if whole else self._frontier.highest, BATCH_ROWS
        rows, *others = (
            await self._session.fetch_at_once(query, beside) if beside else [await self._session.fetch(*query)]
        )
        last_id = rows[-1]["id"] if len(rows) == BATCH_ROWS else _EVERYTHING
        self.beside = others[0] if others and last_id == _EVERYTHING else None
        self.more = len(rows) == BATCH_ROWS
        if not whole and (late := await self._late_ids()):
            self.more = True
            return await self._session.fetch(ROWS, late)
        if rows:
            first, last = rows[0], rows[-1]
            self._frontier.read(first["id"], last["id"], count=len(rows), own_xid=last["own_xid"])
        await self._swept(as_of if whole else None, last_id)
        return rows

    @property
    def settled(self) -> bool:
        """No row can appear below those read."""
        return not self._frontier.unsettled

    async def _late_ids(self) -> list[int]:
        """After the read of what is new: whatever was committed before any of that is seen here."""
        if not self._frontier.unsettled:
            return []
        await self._deleted()
        found = await self._session.fetchrow(LATE_IDS, self._frontier.floor, self._frontier.highest, BATCH_ROWS)
        assert found is not None
        ids: list[int] = found["ids"]
        if len(ids) < BATCH_ROWS:
            self._frontier.settle(found["ended_below"])
        return ids

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
