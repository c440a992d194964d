"""The clearance over a real broker and a real database."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import asyncpg
import pytest

from schemas.codec import CONTENT_TYPE, TOMBSTONE_HEADERS, encode
from schemas.events import CheckStatus, Message, Reason, SourceAlive, StatusChanged, StatusDigest, Verdict
from schemas.flows import source_of
from schemas.topics import ALIVE_KEY, Topics
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.clearance.view.projector import PROJECTOR, Projector
from services.kit.kafka.connection import KafkaConnection
from services.kit.manifests import discover
from services.kit.messaging.relaying.producer import BatchProducer, OutboundRecord
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import open_pool
from services.kit.provisioning.topics import create_topics
from tests.support.kafka.topics import everything

DEPARTMENTS: Final = tuple(discover())


@dataclass
class ClearanceFixture:
    """One installation of the clearance, alone in its namespace and its database."""

    dsn: str
    kafka: KafkaConnection
    topics: Topics
    pool: "asyncpg.Pool[Any]"
    publisher: BatchProducer

    @property
    def group(self) -> str:
        return self.topics.group(PROJECTOR)

    def configure(self, environment: pytest.MonkeyPatch) -> None:
        """For the command line."""
        environment.setenv("LIXIAO_DATABASE", self.dsn)
        for variable, value in self.kafka.variables().items():
            environment.setenv(variable, value)
        environment.setenv("LIXIAO_NAMESPACE", self.topics.namespace)

    def projector(self, **options: Any) -> Projector:
        return Projector(pool=self.pool, kafka=self.kafka, topics=self.topics, departments=DEPARTMENTS, **options)

    async def publish(self, *events: StatusChanged) -> None:
        """Publish statuses as a relay would, in this order."""
        await self.publisher.send([self.record(event) for event in events])

    async def publish_alive_mark(self, department: str, as_of: datetime, digest: StatusDigest | None = None) -> None:
        mark = written(SourceAlive(department=department, as_of=as_of, digest=digest))
        topic = self.topics.status(department)
        parts = await self.publisher.partitions(topic)
        await self.publisher.send([OutboundRecord(topic, ALIVE_KEY, mark, HEADERS, part) for part in range(parts)])

    async def poison(self, student_id: str, value: bytes | None, *, department: str = "library") -> None:
        """A record that no reader can read, under this student's key."""
        record: Any = OutboundRecord(self.topics.status(department), student_id.encode(), value, HEADERS)
        await self.publisher.send([record])

    async def forget(self, student_id: str, *, department: str = "library") -> None:
        """A department's tombstone."""
        topic = self.topics.status(department)
        await self.publisher.send([OutboundRecord(topic, student_id.encode(), None, TOMBSTONE_HEADERS)])

    def record(self, event: StatusChanged, *headers: tuple[str, bytes]) -> OutboundRecord:
        topic = self.topics.status(event.department)
        return OutboundRecord(topic, event.student_id.encode(), written(event), (*HEADERS, *headers))

    async def end_offset(self) -> int:
        """How many records the status topics hold."""
        return sum([len(await everything(self.kafka, self.topics.status(name))) for name in DEPARTMENTS])

    async def row(self, student_id: str, department: str = "library") -> asyncpg.Record | None:
        """What the gateway reads of one student and department."""
        return await self.pool.fetchrow(
            "SELECT * FROM published.status_v1 WHERE student_id = $1 AND department = $2", student_id, department
        )

    async def version(self, student_id: str, department: str = "library") -> int | None:
        row = await self.row(student_id, department)
        return None if row is None else row["version"]

    async def dead_letters(self) -> Sequence[asyncpg.Record]:
        return await self.pool.fetch("SELECT * FROM dead_letter ORDER BY id")


HEADERS: Final = (("content-type", CONTENT_TYPE.encode()),)


@asynccontextmanager
async def clearance_fixture(dsn: str, kafka: KafkaConnection, namespace: str) -> AsyncIterator[ClearanceFixture]:
    topics = Topics(namespace)
    await migrate(dsn, CLEARANCE_FOLDERS)
    await create_topics(kafka, topics, DEPARTMENTS)
    pool = await open_pool(dsn, name="test")
    publisher = BatchProducer(kafka, client_id="test")
    try:
        yield ClearanceFixture(dsn, kafka, topics, pool, publisher)
    finally:
        await publisher.close()
        await pool.close()


def written(event: Message) -> bytes:
    return encode(event, event_id=uuid4(), source=source_of("test"), time=datetime.now(UTC))


def status(
    student_id: str, version: int, *, department: str = "library", verdict: Verdict = Verdict.CLEAR
) -> StatusChanged:
    """A department's status of a student."""
    return StatusChanged(
        student_id=student_id,
        department=department,
        version=version,
        occurred_at=datetime.now(UTC),
        cause=Reason(code="book-returned"),
        checks=(CheckStatus(check="borrowing", verdict=verdict, facts={"number": version}),),
    )
