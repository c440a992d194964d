"""Statuses of the library, assessed by its own rules."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from schemas.codec import encode
from schemas.events import CheckStatus, Reason, StatusChanged
from schemas.flows import source_of
from services.library.rules import Card, Fine, LibraryRecord, Loan, Thesis, assess

DEPARTMENT: Final = "library"
SOURCE: Final = source_of(DEPARTMENT)
_START: Final = datetime(2026, 6, 1, tzinfo=UTC)
_CAUSES: Final = ("book-lent", "book-returned", "fine-paid", "thesis-submitted", "record-replaced")


def student(number: int) -> str:
    return f"TS{number:010d}"


def statuses(count: int, students: int, seed: int = 7) -> Iterator[StatusChanged]:
    """A student's versions count up from 2: 1 is in the view before. No two have the same facts."""
    rng = random.Random(seed)
    versions = [1] * students
    for number in range(count):
        index = rng.randrange(students)
        versions[index] += 1
        checks = assess(_record(rng, number)).checks
        yield status(index, versions[index], checks, _START + timedelta(milliseconds=number))


def status(index: int, version: int, checks: tuple[CheckStatus, ...], at: datetime = _START) -> StatusChanged:
    return StatusChanged(
        student_id=student(index),
        department=DEPARTMENT,
        version=version,
        occurred_at=at,
        cause=Reason(code=_CAUSES[version % len(_CAUSES)]),
        checks=checks,
    )


def document(event: StatusChanged, number: int) -> bytes:
    return encode(event, event_id=UUID(int=number, version=4), source=SOURCE, time=event.occurred_at)


def first_checks() -> tuple[CheckStatus, ...]:
    """Of an empty record."""
    return assess(LibraryRecord()).checks


def _record(rng: random.Random, number: int) -> LibraryRecord:
    """`number` is in its facts, unless nothing is open."""
    return LibraryRecord(
        card=rng.choice(list(Card)),
        thesis=rng.choice(list(Thesis)),
        loans=tuple(
            Loan(
                barcode=f"B{number:07d}{at}",
                title=f"矿山压力与岩层控制 {number:06d}",
                due_on=date(2026, 6, 1) + timedelta(days=rng.randrange(60)),
            )
            for at in range(rng.randrange(3))
        ),
        fines=tuple(
            Fine(fine_id=f"F-{number}-{at}", amount=Decimal(1 + rng.randrange(20_000)) / 100)
            for at in range(rng.randrange(2))
        ),
    )
