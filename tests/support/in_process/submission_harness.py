"""A whole confirmation round, the test carrying the messages: repeated, held back, forged or in another order.

Everything but Kafka is the services' own: desks, rules, handlers, codec, outbox tables, migrations.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID, uuid4

import asyncpg
from aiokafka import ConsumerRecord

from schemas.codec import encode, read
from schemas.events import CommandAsked, Message, SubmissionRequested, SubmitAsked
from services.finance.rules import Charge, FinanceRecord
from services.library.rules import Card, LibraryRecord, Loan, Thesis
from tests.support.in_process.services import InProcessServices, record_of
from tests.support.servers.fixtures import DatabaseMaker

M = TypeVar("M", bound=Message)
MAX_TURNS: Final = 50
CLEAR_LIBRARY: Final = LibraryRecord(card=Card.CANCELLED, thesis=Thesis.APPROVED)
LOAN: Final = Loan(barcode="B1", title="矿山压力", due_on=date(2026, 6, 20))
OWING: Final = CLEAR_LIBRARY.model_copy(update={"loans": (LOAN,)})
CARD_ACTIVE: Final = CLEAR_LIBRARY.model_copy(update={"card": Card.ACTIVE})
OWED: Final = FinanceRecord(
    charges=(Charge(charge_id="C1", student_id="TS1", year="2025", name="住宿费", amount=Decimal("12.00")),)
)


class Harness(InProcessServices):
    """The departments and the clearance. `deliver_all` brings every message to every subscriber."""

    async def student(self, *, cohort: str | None = None, silent: Collection[str] = (), **records: Any) -> str:
        """A student with an open case that every department has received, clear but for `records`."""
        student_id = await super().student(cohort=cohort, silent=silent, **records)
        await self.deliver_all()
        return student_id

    async def submit(self, student_id: str, command_id: UUID | None = None) -> UUID:
        """The student's command as the gateway sends it, received by the clearance; its id is the attempt's."""
        command_id = command_id or uuid4()
        event = SubmitAsked(command_id=command_id, student_id=student_id, asked_at=datetime.now(UTC))
        await self.clearance.receive([self.record(self.topics.command, event)])
        return command_id

    async def submitted(self, student_id: str) -> UUID:
        """As `submit`, to the end of the attempt."""
        attempt_id = await self.submit(student_id)
        await self.deliver_all()
        return attempt_id

    async def question(self) -> ConsumerRecord:
        """The one message that waits at the clearance: the attempt, to be answered by the departments."""
        (record,) = await self.clearance.take_outbox()
        assert isinstance(read(record.value), SubmissionRequested)
        return record

    async def ask_departments(self, question: ConsumerRecord, *names: str) -> None:
        """Bring the question to these departments, or to all of them; their answers wait in their outboxes."""
        for name in names or self.departments:
            await self.departments[name].receive([question])

    async def answers(self, question: ConsumerRecord) -> list[ConsumerRecord]:
        """Every department's answer."""
        await self.ask_departments(question)
        return [record for service in self.departments.values() for record in await service.take_outbox()]

    async def command(self, student_id: str, command: str, command_id: UUID, department: str = "library") -> None:
        """A student's command to a department, received by everyone."""
        event = CommandAsked(
            command_id=command_id,
            student_id=student_id,
            department=department,
            command=command,
            asked_at=datetime.now(UTC),
        )
        await self.deliver(self.record(self.topics.command, event))

    async def deliver(self, record: ConsumerRecord, *, without: Iterable[str] = ()) -> None:
        """Bring one record to every service but these."""
        for name, service in self.services.items():
            if name not in without:
                await service.receive([record])

    async def deliver_all(self, *, without: Iterable[str] = ()) -> list[Message]:
        """Deliver until every outbox is empty; the messages. Departments in `without` are down."""
        delivered: list[Message] = []
        for _ in range(MAX_TURNS):
            running = [service for name, service in self.services.items() if name not in without]
            records = [record for service in running for record in await service.take_outbox()]
            if not records:
                return delivered
            for record in records:
                if record.value is not None:
                    delivered.append(read(record.value))
                await self.deliver(record, without=without)
        raise AssertionError(f"the outboxes are not empty after {MAX_TURNS} turns")

    def record(self, topic: str, event: Message, *, key: str | None = None) -> ConsumerRecord:
        """A message of the test's own."""
        value = encode(event, event_id=uuid4(), source="/test", time=datetime.now(UTC))
        student_id: str = getattr(event, "student_id", "")
        return record_of(topic, (key or student_id).encode(), value)

    async def overdue(self, attempt_id: UUID) -> None:
        """Move the attempt an hour into the past."""
        await self.clearance.pool.execute(
            "UPDATE attempt SET opened_at = opened_at - interval '1 hour', expires_at = expires_at - interval '1 hour'"
            " WHERE attempt_id = $1",
            attempt_id,
        )

    async def attempt(self, attempt_id: UUID) -> asyncpg.Record:
        (row,) = await self.clearance.pool.fetch("SELECT * FROM published.attempt_v1 WHERE attempt_id = $1", attempt_id)
        assert isinstance(row, asyncpg.Record)
        return row

    async def state(self, attempt_id: UUID) -> tuple[str, str]:
        """State and cause of an attempt."""
        row = await self.attempt(attempt_id)
        return row["state"], row["cause"]

    async def submission(self, student_id: str) -> asyncpg.Record | None:
        rows: list[asyncpg.Record] = await self.clearance.pool.fetch(
            "SELECT * FROM published.submission_v1 WHERE student_id = $1", student_id
        )
        return rows[0] if rows else None

    async def holds(self, student_id: str) -> dict[str, list[UUID]]:
        """Department → the attempts that hold the student there."""
        found: dict[str, list[UUID]] = defaultdict(list)
        for name, service in self.departments.items():
            for row in await service.pool.fetch("SELECT attempt_id FROM hold WHERE student_id = $1", student_id):
                found[name].append(row["attempt_id"])
        return dict(found)


@asynccontextmanager
async def submission_harness(make_database: DatabaseMaker, folder: Path) -> AsyncIterator[Harness]:
    """A harness over new databases."""
    harness = Harness(folder)
    await harness.create_databases(make_database)
    await harness.wire()
    yield harness
    await harness.close()


def of(messages: Iterable[Message], kind: type[M]) -> list[M]:
    """The messages of one type."""
    return [event for event in messages if isinstance(event, kind)]
