"""Records of a status topic, and what they fold to."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from schemas.codec import TOMBSTONE_HEADERS, encode
from schemas.events import CheckStatus, Message, Reason, SourceAlive, StatusChanged, Verdict
from schemas.flows import source_of
from schemas.topics import ALIVE_KEY
from services.clearance.view.fold import Batch, fold_batch
from services.clearance.view.rows import Row

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)
TOPIC = "t.library.status.v1"
DEPARTMENTS = {TOPIC: "library", "t.dorm.status.v1": "dorm"}


@dataclass(frozen=True)
class Record:
    """A Kafka record, as much of it as the view reads."""

    key: bytes | None
    value: bytes | None
    offset: int = 0
    partition: int = 0
    topic: str = TOPIC
    headers: tuple[tuple[str, bytes | None], ...] = ()


def student() -> str:
    return f"TS{secrets.token_hex(6).upper()}"


def status(student_id: str, version: int, *, department: str = "library", debt: str = "0.00") -> StatusChanged:
    check = CheckStatus(check="borrowing", verdict=Verdict.CLEAR, facts={"debt": debt})
    return StatusChanged(
        student_id=student_id,
        department=department,
        version=version,
        occurred_at=NOW + timedelta(minutes=version),
        cause=Reason(code="book-returned"),
        checks=(check,),
    )


def written(event: Message) -> bytes:
    return encode(event, event_id=uuid4(), source=source_of("test"), time=NOW)


def said(event: StatusChanged, offset: int = 0, **other: Any) -> Record:
    return Record(event.student_id.encode(), written(event), offset, **other)


def alive(as_of: datetime, *, partition: int = 0, department: str = "library") -> Record:
    return Record(ALIVE_KEY, written(SourceAlive(department=department, as_of=as_of)), partition=partition)


def gone(student_id: str, offset: int) -> Record:
    return Record(student_id.encode(), None, offset, headers=TOMBSTONE_HEADERS)


def fold(*records: Record) -> Batch[Record]:
    return fold_batch(records, DEPARTMENTS)


def only(batch: Batch[Record]) -> Row:
    (row,) = batch.rows
    return row
