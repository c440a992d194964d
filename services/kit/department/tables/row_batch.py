"""What one transaction over many imported rows has read and locked, so that a row reads nothing again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from services.kit.department.evidence.coverage import Coverages
from services.kit.department.tables.record_store import RecordStore, StoredRecord
from services.kit.postgres.pool import Connection


@dataclass
class RowBatch:
    """`records` are locked, as the rows so far left them. Of those in `later` only the instants are still to be stored.
    `absent` had no record when the transaction began.

    `coverages` are locked by the row that read them first, and are free again if it fails.
    """

    store: RecordStore[Any]
    records: dict[str, StoredRecord[Any]] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    later: set[str] = field(default_factory=set)
    coverages: Coverages = field(default_factory=dict)

    @classmethod
    async def begin(cls, store: RecordStore[Any], connection: Connection, student_ids: Sequence[str]) -> "RowBatch":
        """Locks those that exist, in one order for every batch."""
        records = {each.student_id: each for each in await store.lock_all(connection, student_ids)}
        return cls(store, records, frozenset(student_ids) - records.keys())

    def changed(self, stored: StoredRecord[Any]) -> None:
        self.records[stored.student_id] = stored
        self.later.discard(stored.student_id)

    def spoken_of(self, stored: StoredRecord[Any]) -> None:
        """Only its instants changed."""
        self.records[stored.student_id] = stored
        self.later.add(stored.student_id)

    async def forget(self, connection: Connection, student_id: str) -> None:
        """Before somebody else changes the record in this transaction."""
        if student_id in self.later:
            await self.store.save_instants(connection, [self.records[student_id]])
            self.later.discard(student_id)
        self.records.pop(student_id, None)

    async def finish(self, connection: Connection) -> None:
        """After the last row."""
        if self.later:
            await self.store.save_instants(connection, [self.records[student_id] for student_id in sorted(self.later)])
            self.later.clear()
