"""The records of one transaction over many imported rows: read and locked at its beginning, written at its end.

A row then costs no round trip of its own. What an office's file is about is mostly known or mostly new, so both are
written with one statement for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from schemas.events import Reason, StatusChanged
from services.kit.department.evidence.coverage import Coverages
from services.kit.department.tables import waiting_changes
from services.kit.department.tables.record_store import RecordStore, Saving, StoredRecord
from services.kit.imports.spec import RowFailed
from services.kit.postgres.pool import Connection
from services.kit.rules.assessment import Assessment

_AROUND: Final = """
SELECT (SELECT version FROM version_floor) AS version_floor,
       (SELECT array_agg((student_id, waived)) FROM hold WHERE student_id = ANY($1::text[])) AS holds,
       (SELECT array_agg(student_id) FROM waiting_change WHERE student_id = ANY($1::text[])) AS awaited,
       (SELECT array_agg(student_id) FROM done_operation WHERE student_id = ANY($1::text[]) AND gained <> '{}')
           AS by_operation
"""


@dataclass
class RowBatch:
    """In place of the `RecordStore` for rows of one transaction, whose students are those it began with.

    `records` are locked, as the rows so far left them. `together`: they are written by `finish`; else each row writes
    its own, so that it can be rolled back alone. `wrote`: the row has written something by itself.

    `coverages` are locked by the row that read them first, and are free again if it is rolled back.
    """

    store: RecordStore[Any]
    together: bool
    records: dict[str, StoredRecord[Any]]
    absent: set[str]
    """Without a record when the transaction began."""
    holds: dict[str, list[frozenset[str]]]
    """What each relies not on. A record is locked before a hold on it is placed: no other comes."""
    awaited: frozenset[str]
    by_operation: frozenset[str]
    """Those of whom an operation was the first word about a check."""
    version_floor: int
    coverages: Coverages = field(default_factory=dict)
    wrote: bool = False
    _savings: list[Saving] = field(default_factory=list)
    _instants: set[str] = field(default_factory=set)
    """Of whom only the instants are to be stored."""

    @classmethod
    async def begin(
        cls, store: RecordStore[Any], connection: Connection, student_ids: Sequence[str], *, together: bool
    ) -> "RowBatch":
        """Locks those that exist, in one order for every batch."""
        records = {each.student_id: each for each in await store.lock_all(connection, student_ids)}
        # A statement of its own: one that waited for the locks would see the state of before.
        around = await connection.fetchrow(_AROUND, student_ids)
        assert around is not None
        holds: dict[str, list[frozenset[str]]] = {}
        for student_id, waived in around["holds"] or ():
            holds.setdefault(student_id, []).append(frozenset(waived))
        awaited, by_operation = (frozenset(around[name] or ()) for name in ("awaited", "by_operation"))
        absent = set(student_ids) - records.keys()
        return cls(store, together, records, absent, holds, awaited, by_operation, around["version_floor"])

    async def lock(self, connection: Connection, student_id: str) -> StoredRecord[Any]:
        known = self.records.get(student_id)
        if known is not None:
            return known
        absent = student_id in self.absent
        if absent and self.together:
            return self.store.new(student_id, self.version_floor)
        return await self.store.lock(connection, student_id, absent=absent)

    async def before_blocking(self, connection: Connection, student_id: str, assessment: Assessment) -> None:
        """As the desk does for one record."""
        awaited, holds = student_id in self.awaited, self.holds.get(student_id, ())
        self.wrote = self.wrote or awaited
        await waiting_changes.before_blocking(connection, student_id, assessment.blocked, holds=holds, awaited=awaited)

    async def save(
        self,
        connection: Connection,
        stored: StoredRecord[Any],
        assessment: Assessment | None,
        *,
        revision: int | None,
        cause: Reason,
        now: datetime,
    ) -> StatusChanged | None:
        new = self.together and stored.student_id in self.absent
        saving = self.store.saving(stored, assessment, revision=revision, cause=cause, now=now, new=new)
        if self.together:
            self._savings.append(saving)
        else:
            await self.store.save_all(connection, (saving,))
        self.absent.discard(stored.student_id)
        self.records[stored.student_id] = stored if saving.status is None else replace(stored, previous=saving.status)
        self._instants.discard(stored.student_id)
        return saving.status

    async def save_instants(self, _: Connection, of: Sequence[StoredRecord[Any]]) -> None:
        for stored in of:
            self.records[stored.student_id] = stored
            self._instants.add(stored.student_id)

    async def forget(self, connection: Connection, student_id: str) -> None:
        """Before somebody else changes the record in this transaction."""
        await self.finish(connection)
        self.records.pop(student_id, None)
        self.absent.discard(student_id)

    async def finish(self, connection: Connection) -> None:
        """After the last row. Raises `RowFailed` if a student has a record since the transaction began."""
        savings, self._savings = self._savings, []
        if not await self.store.save_all(connection, savings):
            raise RowFailed
        if self._instants:
            spoken_of = sorted(self._instants)
            self._instants = set()
            await self.store.save_instants(connection, [self.records[student_id] for student_id in spoken_of])
