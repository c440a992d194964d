"""A whole confirmation round over real databases, the test carrying the messages.

Every part is the real one (desks with their rules, handlers, codec, outbox tables, migrations); only Kafka is the
test's own hand, so that it can repeat a message, hold it back, forge it or carry it in another order.
"""

import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
from aiokafka import ConsumerRecord

from schemas.codec import encode, read
from schemas.events import CommandAsked, Message, Reason, SubmitAsked
from schemas.topics import Topics
from services.archives.operations import RULES as ARCHIVES
from services.archives.rules import ArchivesRecord
from services.archives.rules import Thesis as ArchivesThesis
from services.clearance.app import FOLDERS as CLEARANCE_FOLDERS
from services.clearance.receipts.signing_keys import Keyring
from services.clearance.roster.case_store import Roster
from services.clearance.roster.cases import Student
from services.clearance.settings import ClearanceSettings
from services.clearance.submission.handlers import Submissions, submission_batch_handler
from services.clearance.submission.sweeper import AttemptSweeper
from services.clearance.view.projector import Projector
from services.dorm.operations import RULES as DORM
from services.finance.operations import RULES as FINANCE
from services.kit.department.desk import ChangeResult, Desk
from services.kit.department.rules import DepartmentRules
from services.kit.department.service import FOLDERS as DEPARTMENT_FOLDERS
from services.kit.department.service import event_handlers
from services.kit.manifests import discover, required_checks
from services.kit.messaging.dead_letters import ApplyBatch, DeadLetter, store_dead_letters
from services.kit.messaging.handlers import dispatch
from services.kit.messaging.outbox import Wakeup
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import open_pool
from services.kit.runtime.failpoints import Passed
from services.library.operations import RULES as LIBRARY
from services.library.rules import Card, LibraryRecord, Thesis
from tests.support.servers import DatabaseMaker

RULES: Final[dict[str, DepartmentRules[Any]]] = {
    dispatch.name: dispatch for dispatch in (LIBRARY, ARCHIVES, DORM, FINANCE)
}
DEPARTMENTS: Final = tuple(RULES)
CLEAR_LIBRARY: Final = LibraryRecord(card=Card.CANCELLED, thesis=Thesis.APPROVED)
CLEAR: Final[dict[str, Any]] = {
    "library": CLEAR_LIBRARY,
    "archives": ArchivesRecord(thesis=ArchivesThesis.APPROVED),
    "dorm": DORM.record(),
    "finance": FINANCE.record(),
}
SET: Final = Reason(code="record-replaced")


@dataclass
class Place:
    """One service's database and what it does with a record it hears."""

    name: str
    pool: "asyncpg.Pool[Any]"
    apply: ApplyBatch
    passed: Passed
    parked: list[str] = field(default_factory=list)

    async def hear(self, records: Sequence[ConsumerRecord]) -> None:
        """As the Inbox does it: the whole batch in one transaction, dead letters in it."""
        parked: list[DeadLetter] = []
        async with self.pool.acquire() as connection, connection.transaction():
            await self.apply(connection, records, parked)
            await store_dead_letters(connection, self.name, parked)
        self.parked += [one.reason for one in parked]

    async def said(self) -> list[ConsumerRecord]:
        """Take what waits in the outbox, in order."""
        rows = await self.pool.fetch(
            "WITH gone AS (DELETE FROM outbox RETURNING id, topic, key, value) SELECT * FROM gone ORDER BY id"
        )
        return [record_of(row["topic"], row["key"], row["value"]) for row in rows]


@dataclass
class Parts:
    """The departments and the clearance. `carry` brings every message to everyone who listens."""

    topics: Topics
    clearance: Place
    departments: dict[str, Place]
    desks: dict[str, Desk[Any]]
    submissions: Submissions
    sweeper: AttemptSweeper
    projector: Projector
    heard: list[Message] = field(default_factory=list)

    async def student(self, **records: Any) -> str:
        """A student with an open case, clear everywhere but where `records` says otherwise; the departments know."""
        student_id = f"TS{secrets.token_hex(5)}"
        for name in self.desks:
            await self.set(name, student_id, records.get(name, CLEAR[name]))
        async with self.clearance.pool.acquire() as connection, connection.transaction():
            await self.submissions._roster.put(connection, person(student_id), now=datetime.now(UTC))
        await self.carry()
        return student_id

    async def set(self, department: str, student_id: str, record: Any) -> ChangeResult[Any]:
        """A desk act that sets the whole record. Raises `Held`."""
        desk = self.desks[department]
        return await desk.change(student_id, lambda _: (record, SET), now=datetime.now(UTC))

    async def ask(self, student_id: str, command_id: UUID | None = None) -> UUID:
        """The student's command, as the gateway sends it, heard by the clearance."""
        command_id = command_id or uuid4()
        event = SubmitAsked(command_id=command_id, student_id=student_id, asked_at=datetime.now(UTC))
        await self.clearance.hear([self.record(self.topics.command, event)])
        return command_id

    async def command(self, student_id: str, command: str, command_id: UUID, department: str = "library") -> None:
        event = CommandAsked(
            command_id=command_id,
            student_id=student_id,
            department=department,
            command=command,
            asked_at=datetime.now(UTC),
        )
        record = self.record(self.topics.command, event)
        for place in (*self.departments.values(), self.clearance):
            await place.hear([record])

    async def carry(self, *, without: Iterable[str] = (), at_most: int = 50) -> list[Message]:
        """Carry messages until nobody says anything more, and give back what was said.

        Departments in `without` are down: they hear nothing and say nothing.
        """
        said: list[Message] = []
        for _ in range(at_most):
            records: list[ConsumerRecord] = []
            for place in (self.clearance, *(self.departments[name] for name in DEPARTMENTS if name not in without)):
                records += await place.said()
            if not records:
                self.heard += said
                return said
            for record in records:
                said.append(read(record.value))
                await self.bring(record, without=without)
        raise AssertionError("they never stop talking")

    async def bring(self, record: ConsumerRecord, *, without: Iterable[str] = ()) -> None:
        """Bring one record to everyone who listens to its topic."""
        if record.topic in (self.topics.case, self.topics.submission, self.topics.command):
            for name, place in self.departments.items():
                if name not in without:
                    await place.hear([record])
        elif record.topic in self.projector.topics:
            await self.project([record])
        elif record.topic in {self.topics.attestation(name) for name in DEPARTMENTS}:
            await self.clearance.hear([record])

    async def project(self, records: Sequence[ConsumerRecord]) -> None:
        parked: list[DeadLetter] = []
        async with self.clearance.pool.acquire() as connection, connection.transaction():
            await self.projector.apply(connection, records, parked)
        assert parked == []

    def record(self, topic: str, event: Message, *, key: str | None = None) -> ConsumerRecord:
        """A message of the test's own."""
        value = encode(event, event_id=uuid4(), source="/test", time=datetime.now(UTC))
        student_id: str = getattr(event, "student_id", "")
        return record_of(topic, (key or student_id).encode(), value)

    async def attempt(self, attempt_id: UUID) -> asyncpg.Record:
        rows = await self.clearance.pool.fetch("SELECT * FROM published.attempt_v1 WHERE attempt_id = $1", attempt_id)
        (row,) = rows
        assert isinstance(row, asyncpg.Record)
        return row

    async def submission(self, student_id: str) -> asyncpg.Record | None:
        rows: list[asyncpg.Record] = await self.clearance.pool.fetch(
            "SELECT * FROM published.submission_v1 WHERE student_id = $1", student_id
        )
        return rows[0] if rows else None

    async def holds(self, student_id: str) -> dict[str, list[UUID]]:
        """Department → the attempts that hold the student there."""
        found: dict[str, list[UUID]] = defaultdict(list)
        for name, place in self.departments.items():
            for row in await place.pool.fetch("SELECT attempt_id FROM hold WHERE student_id = $1", student_id):
                found[name].append(row["attempt_id"])
        return dict(found)


@asynccontextmanager
async def parts_in(make_database: DatabaseMaker, folder: Path, *, life_s: float = 600.0) -> AsyncIterator[Parts]:
    """Five databases with the services' own migrations."""
    topics = Topics(f"t{secrets.token_hex(3)}")
    bell, pools = Wakeup(), []

    async def pool_of(name: str, folders: Sequence[Path]) -> "asyncpg.Pool[Any]":
        dsn = await make_database(name)
        await migrate(dsn, folders)
        pools.append(await open_pool(dsn, name=name, max_size=8))
        return pools[-1]

    desks: dict[str, Desk[Any]] = {}
    departments: dict[str, Place] = {}
    for name, rules in RULES.items():
        pool = await pool_of(name, DEPARTMENT_FOLDERS)
        desks[name] = Desk(rules, pool, topics, bell)
        passed = Passed()
        departments[name] = Place(name, pool, dispatch(event_handlers(desks[name], topics, passed)), passed)
    pool = await pool_of("clearance", CLEARANCE_FOLDERS)
    zone = ClearanceSettings.model_construct().zone
    keyring = Keyring(folder / "keys")
    async with pool.acquire() as connection, connection.transaction():
        await keyring.ensure(connection)
    passed = Passed()
    submissions = Submissions(
        topics=topics,
        required=required_checks(discover()),
        roster=Roster(topic=topics.case, served=frozenset({"毕业离校"}), zone=zone),
        keyring=keyring,
        zone=zone,
        passed=passed,
        life_s=life_s,
    )
    yield Parts(
        topics,
        Place("clearance", pool, submission_batch_handler(submissions, topics, discover()), passed),
        departments,
        desks,
        submissions,
        AttemptSweeper(pool, submissions, passed, bell),
        Projector(pool=pool, kafka="127.0.0.1:9", topics=topics, departments=DEPARTMENTS),
    )
    for each_pool in pools:
        await each_pool.close()


_offsets: dict[str, int] = defaultdict(int)


def record_of(topic: str, key: bytes, value: bytes) -> ConsumerRecord:
    """A record as the consumer hands it over, at the next offset of the topic's one partition."""
    _offsets[topic] += 1
    return ConsumerRecord(
        topic=topic,
        partition=0,
        offset=_offsets[topic],
        timestamp=0,
        timestamp_type=0,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=len(key),
        serialized_value_size=len(value),
        headers=(),
    )


def person(student_id: str) -> Student:
    return Student(
        student_id=student_id,
        name="林知远",
        gender="男",
        college="信息与控制工程学院",
        major="控制科学与工程",
        grade="2023级",
        enrolled_on=date(2023, 9, 1),
        leave_category="毕业离校",
    )
