"""What one record of a status topic says: a row of the view, an alive mark or a tombstone. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from schemas.codec import Headers, Unreadable, open_envelope, read, read_canonical_statuses, read_status
from schemas.events import TYPE_OF, SourceAlive, StatusChanged
from schemas.status_fast import StatusData
from schemas.student_ids import is_canonical_student_id
from schemas.types import MAX_VERSION
from services.clearance.view.rows import Key, Row

_STATUS: Final = TYPE_OF[StatusChanged]
Position = tuple[str, int, int]
"""(topic, partition, offset)."""


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


def status_row(record: Incoming, department: str, highest_version: int = MAX_VERSION) -> Row:
    """Raises `Unreadable`, also above `highest_version`."""
    envelope = open_envelope(record.value, record.headers)
    if envelope.type != _STATUS:
        raise Unreadable("type: only statuses have a student's key on this topic")
    status, text = read_status(record.value or b"", envelope), bytes(envelope.data)
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
        status.occurred_at.isoformat(),
        text,
        open_codes=open_codes(status),
    )


def status_rows(
    records: Sequence[Incoming], departments: Mapping[str, str], highest_version: int = MAX_VERSION
) -> list[Row] | None:
    """As `status_row` of each, at a fraction of its cost; None if it might refuse one, or one is not as `encode` writes
    it. `departments`: by topic.
    """
    values = [record.value or b"" for record in records]
    read = read_canonical_statuses(values, [record.headers for record in records])
    if read is None:
        return None
    statuses, texts, instants = read
    named = [departments[record.topic] for record in records]
    if (
        [record.key for record in records] != [status.student_id.encode() for status in statuses]
        or [status.department for status in statuses] != named
        or max(status.version for status in statuses) > highest_version
    ):
        return None
    return [
        Row(
            status.student_id,
            department,
            record.partition,
            status.version,
            record.offset,
            occurred_at,
            text,
            open_codes=open_codes(status),
        )
        for record, status, department, occurred_at, text in zip(records, statuses, named, instants, texts, strict=True)
    ]


def open_codes(status: StatusData) -> str | None:
    """`check:code` of every reason of a check that is not clear, with a space between two."""
    codes: list[str] = []
    for check in status.checks:
        if check.verdict != "clear":
            name = check.check
            if check.reasons:
                for reason in check.reasons:
                    codes.append(f"{name}:{reason.code}")
            else:
                codes.append(f"{name}:")
    return " ".join(codes) if codes else None


def forgotten_by(record: Incoming, department: str) -> Forgotten:
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


def alive_mark(record: Incoming, department: str) -> SourceAlive:
    event = read(record.value, record.headers)
    if not isinstance(event, SourceAlive):
        raise Unreadable("type: only alive marks have this key")
    if event.department != department:
        raise Unreadable("department: the topic is another department's")
    return event
