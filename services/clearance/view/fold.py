"""The fold: a batch of records becomes rows by student and department, which merge. Pure.

Tombstones are no rows: they forget what stands before them in their partition, which is read in its order.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Generic, TypeVar

from schemas.codec import Unreadable, is_tombstone
from schemas.events import StatusDigest
from schemas.topics import ALIVE_KEY
from schemas.types import MAX_VERSION
from services.clearance.view.records import (
    Forgotten,
    Incoming,
    Position,
    alive_mark,
    forgotten_by,
    status_row,
    status_rows,
    unreadable_row,
)
from services.clearance.view.rows import Key, Row, merge

_DIGEST: Final = b'"digest"'
TOGETHER: Final = 64
"""Records that are decoded together: with one that is not as our encoder writes it, all of them one by one."""
R = TypeVar("R", bound=Incoming)


@dataclass(frozen=True, slots=True)
class AliveMark:
    """A department's newest on one partition: every event before `as_of` precedes it."""

    department: str
    partition: int
    as_of: datetime


Partition = tuple[str, int]
"""(department, partition) of a status topic."""


@dataclass(frozen=True, slots=True)
class UnreadableRecord(Generic[R]):
    """`reason` names a field and a rule, never a value."""

    record: R
    reason: str


@dataclass(frozen=True, slots=True)
class Batch(Generic[R]):
    """Rows sorted by key, all of them behind what was `forgotten`.

    read + alive marks + unreadable is what was consumed. `digests`: the last of each partition; they hold for the view
    at the place of their marks.
    """

    rows: list[Row]
    alive: list[AliveMark]
    unreadable: list[UnreadableRecord[R]]
    read: int
    digests: Mapping[Partition, StatusDigest]
    forgotten: list[Forgotten] = field(default_factory=list)

    @property
    def is_one_status(self) -> bool:
        """Of one record, and nothing else."""
        others = self.alive or self.unreadable or self.digests or self.forgotten
        return self.read == 1 and len(self.rows) == 1 and not others


def fold_batch(
    records: Sequence[R],
    departments: Mapping[str, str],
    *,
    discarded: Container[Position] = (),
    highest_version: int = MAX_VERSION,
    known: Sequence[Row | None] | None = None,
) -> Batch[R]:
    """Never raises. `departments`: by status topic. `discarded`: unreadable records that an operator discarded;
    others hide their student's status. `known`: what `read_together` has found of them.
    """
    if known is None:
        known = [
            row
            for at in range(0, len(records), TOGETHER)
            for row in read_together(records[at : at + TOGETHER], departments, highest_version)
        ]
    folding = _Folding[R](departments, discarded, highest_version)
    for record, row in zip(records, known, strict=True):
        if row is not None:
            folding.add(row)
        else:
            folding.look_at(record)
    return folding.batch()


class _Folding(Generic[R]):
    """What the records of a batch have come to so far."""

    def __init__(self, departments: Mapping[str, str], discarded: Container[Position], highest_version: int) -> None:
        self._departments, self._discarded, self._highest_version = departments, discarded, highest_version
        self._rows: dict[Key, Row] = {}
        self._forgotten: dict[Key, Forgotten] = {}
        self._alive: dict[Partition, datetime] = {}
        self._digests: dict[Partition, StatusDigest] = {}
        self._unreadable: list[UnreadableRecord[R]] = []
        self._read = 0

    def add(self, row: Row) -> None:
        """Of a record that was read."""
        self._read += 1
        self._put(row)

    def look_at(self, record: R) -> None:
        """One that may be anything."""
        department = self._departments[record.topic]
        try:
            if record.key == ALIVE_KEY:
                self._hear(record, department)
            elif is_tombstone(record.value, record.headers):
                self._forget(record, department)
            else:
                self.add(status_row(record, department, self._highest_version))
        except Unreadable as error:
            if (record.topic, record.partition, record.offset) in self._discarded:
                return
            self._unreadable.append(UnreadableRecord(record, str(error)))
            hidden = unreadable_row(record, department)
            if hidden is not None:
                self._put(hidden)

    def _put(self, row: Row) -> None:
        key = row.key
        held = self._rows.get(key)
        self._rows[key] = row if held is None else merge(held, row)

    def _hear(self, record: R, department: str) -> None:
        source, mark = (department, record.partition), alive_mark(record, department)
        self._alive[source] = max(mark.as_of, self._alive.get(source, mark.as_of))
        if mark.digest is not None:
            self._digests[source] = mark.digest

    def _forget(self, record: R, department: str) -> None:
        """A partition is read in its order: what the batch has of the student stands before the tombstone."""
        gone = forgotten_by(record, department)
        self._rows.pop(gone.key, None)
        self._forgotten[gone.key] = gone
        kept = [bad for bad in self._unreadable if (bad.record.topic, bad.record.key) != (record.topic, record.key)]
        self._read += 1 + len(self._unreadable) - len(kept)
        self._unreadable = kept

    def batch(self) -> Batch[R]:
        return Batch(
            [self._rows[key] for key in sorted(self._rows)],
            [AliveMark(*source, self._alive[source]) for source in sorted(self._alive)],
            self._unreadable,
            self._read,
            self._digests,
            [self._forgotten[key] for key in sorted(self._forgotten)],
        )


def read_together(
    records: Sequence[Incoming], departments: Mapping[str, str], highest_version: int = MAX_VERSION
) -> Sequence[Row | None]:
    """Of each record its row, or None if it has to be looked at by itself. Never raises."""
    statuses = [record for record in records if record.key != ALIVE_KEY and record.value is not None]
    rows = status_rows(statuses, departments, highest_version) if statuses else None
    if rows is None:
        return [None] * len(records)
    if len(rows) == len(records):
        return rows
    found = {id(record): row for record, row in zip(statuses, rows, strict=True)}
    return [found.get(id(record)) for record in records]


def split_at_digests(records: Sequence[R]) -> tuple[Sequence[R], Sequence[R]]:
    """What stands before the last digest of each partition, or in no partition with one, and what stands behind."""
    last: dict[tuple[str, int], int] = {}
    for index, record in enumerate(records):
        if record.key == ALIVE_KEY and _DIGEST in (record.value or b""):
            last[record.topic, record.partition] = index
    if not last:
        return records, ()

    def is_behind(index: int, record: R) -> bool:
        return index > last.get((record.topic, record.partition), index)

    behind = [record for index, record in enumerate(records) if is_behind(index, record)]
    if not behind:
        return records, ()
    return [record for index, record in enumerate(records) if not is_behind(index, record)], behind
