"""The fold: a batch of records becomes rows by student and department, which merge. Pure.

`merge` is a join: order, grouping and repetition do not matter, so a replay from zero ends at the live view's rows.
view_store.py does the same merge in SQL. Tombstones are no rows: they forget what stands before them in their
partition, which is read in its order.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from schemas.codec import Headers, Unreadable, is_tombstone, open_envelope, read, read_status
from schemas.events import TYPE_OF, SourceAlive, StatusChanged, StatusDigest
from schemas.status_fast import StatusData
from schemas.student_ids import is_canonical_student_id
from schemas.topics import ALIVE_KEY
from schemas.types import MAX_VERSION

_STATUS: Final = TYPE_OF[StatusChanged]
_DIGEST: Final = b'"digest"'
NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""`occurred_at` without a status."""


class Incoming(Protocol):
    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


R = TypeVar("R", bound=Incoming)
Key = tuple[str, str]
"""(student_id, department). Rows are written in this order, so that writers cannot deadlock."""


class Row(msgspec.Struct, frozen=True):
    """`version` 0 has no `status`: only unreadable records so far.

    `offset`: of `status`. `unreadable_offset`: the newest, -1 if none. `disputed`: this version was published with two
    contents. `older_offset`: of the last status of an older version, if it stands behind `offset`, else -1.
    `first_offset`: where this version was read first, if that is before `offset`, else -1.
    `open_codes`: `check:code` of every reason of a check that is not clear; None if all are.
    """

    student_id: str
    department: str
    partition: int
    version: int = 0
    offset: int = -1
    occurred_at: datetime = NEVER
    status: str | None = None
    disputed: bool = False
    unreadable_offset: int = -1
    older_offset: int = -1
    open_codes: str | None = None
    first_offset: int = -1

    @property
    def key(self) -> Key:
        return self.student_id, self.department

    @property
    def first(self) -> int:
        return self.offset if self.first_offset < 0 else self.first_offset

    @property
    def readable(self) -> bool:
        """An unreadable record hides the status until a newer version follows: one that stood before it says nothing
        of it. An older version hides it until this version or a newer one follows.
        """
        return not self.disputed and self.unreadable_offset < self.first and self.older_offset < self.offset


def merge(a: Row, b: Row) -> Row:
    """Commutative, associative, idempotent."""
    newer, older = (a, b) if _rank(a) >= _rank(b) else (b, a)
    disputed = newer.disputed or (a.version == b.version and (older.disputed or a.status != b.status))
    unreadable_offset = max(a.unreadable_offset, b.unreadable_offset)
    last_offset = max(a.offset, a.older_offset, b.offset, b.older_offset)
    older_offset = last_offset if last_offset > newer.offset else -1
    first = min(a.first, b.first) if a.version == b.version else newer.first
    first_offset = first if first < newer.offset else -1
    merged = disputed, unreadable_offset, older_offset, first_offset
    if merged == (newer.disputed, newer.unreadable_offset, newer.older_offset, newer.first_offset):
        return newer
    return msgspec.structs.replace(
        newer,
        disputed=disputed,
        unreadable_offset=unreadable_offset,
        older_offset=older_offset,
        first_offset=first_offset,
    )


def _rank(row: Row) -> tuple[int, int, str, int]:
    return row.version, row.offset, row.status or "", row.partition


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
class Forgotten:
    """The department's tombstone: what it published about the student before `offset` is gone."""

    student_id: str
    department: str
    topic: str
    partition: int
    offset: int

    @property
    def key(self) -> Key:
        return self.student_id, self.department


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


Position = tuple[str, int, int]
"""(topic, partition, offset)."""


def fold_batch(
    records: Sequence[R],
    departments: Mapping[str, str],
    *,
    discarded: Container[Position] = (),
    highest_version: int = MAX_VERSION,
) -> Batch[R]:
    """Never raises. `departments`: by status topic. `discarded`: unreadable records that an operator discarded;
    others hide their student's status.
    """
    rows: dict[Key, Row] = {}
    forgotten: dict[Key, Forgotten] = {}
    alive: dict[Partition, datetime] = {}
    digests: dict[Partition, StatusDigest] = {}
    unreadable: list[UnreadableRecord[R]] = []
    read_count = 0
    for record in records:
        department = departments[record.topic]
        try:
            if record.key == ALIVE_KEY:
                source = department, record.partition
                mark = _alive(record, department)
                alive[source] = max(mark.as_of, alive.get(source, mark.as_of))
                if mark.digest is not None:
                    digests[source] = mark.digest
                continue
            if is_tombstone(record.value, record.headers):
                gone = _forgotten(record, department)
                # A partition is read in its order: what the batch has of the student stands before the tombstone.
                rows.pop(gone.key, None)
                forgotten[gone.key] = gone
                kept = [bad for bad in unreadable if (bad.record.topic, bad.record.key) != (record.topic, record.key)]
                read_count += 1 + len(unreadable) - len(kept)
                unreadable = kept
                continue
            row = status_row(record, department, highest_version)
            read_count += 1
        except Unreadable as error:
            if (record.topic, record.partition, record.offset) in discarded:
                continue
            unreadable.append(UnreadableRecord(record, str(error)))
            hidden = unreadable_row(record, department)
            if hidden is None:
                continue
            row = hidden
        key = row.student_id, department
        held = rows.get(key)
        rows[key] = row if held is None else merge(held, row)
    return Batch(
        [rows[key] for key in sorted(rows)],
        [AliveMark(*source, alive[source]) for source in sorted(alive)],
        unreadable,
        read_count,
        digests,
        [forgotten[key] for key in sorted(forgotten)],
    )


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


def status_row(record: Incoming, department: str, highest_version: int = MAX_VERSION) -> Row:
    """Raises `Unreadable`, also above `highest_version`."""
    envelope = open_envelope(record.value, record.headers)
    if envelope.type != _STATUS:
        raise Unreadable("type: only statuses have a student's key on this topic")
    status = read_status(record.value or b"", envelope)
    if record.key != status.student_id.encode():
        raise Unreadable("student_id: the record's key is another")
    if status.department != department:
        raise Unreadable("department: the topic is another department's")
    if status.version > highest_version:
        raise Unreadable("version: more than anybody can have counted to")
    return Row(
        status.student_id,
        department,
        record.partition,
        status.version,
        record.offset,
        status.occurred_at,
        str(envelope.data, "utf-8"),
        open_codes=open_codes(status),
    )


def open_codes(status: StatusData) -> str | None:
    """`check:code` of every reason of a check that is not clear, with a space between two."""
    codes = [
        f"{check.check}:{code}"
        for check in status.checks
        if check.verdict != "clear"
        for code in ([reason.code for reason in check.reasons] or [""])
    ]
    return " ".join(codes) or None


def _forgotten(record: Incoming, department: str) -> Forgotten:
    row = unreadable_row(record, department)
    if row is None:
        raise Unreadable("the record has no value, and its key is no student id")
    return Forgotten(row.student_id, department, record.topic, record.partition, record.offset)


def unreadable_row(record: Incoming, department: str) -> Row | None:
    """None if the record's key is no student id in its one spelling: its partition is another than the student's."""
    try:
        student_id = (record.key or b"").decode("ascii")
    except UnicodeDecodeError:
        return None
    if not is_canonical_student_id(student_id):
        return None
    return Row(student_id, department, record.partition, unreadable_offset=record.offset)


def _alive(record: Incoming, department: str) -> SourceAlive:
    event = read(record.value, record.headers)
    if not isinstance(event, SourceAlive):
        raise Unreadable("type: only alive marks have this key")
    if event.department != department:
        raise Unreadable("department: the topic is another department's")
    return event
