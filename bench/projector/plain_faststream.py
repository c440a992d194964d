"""The same view in FastStream as its documentation shows it.

The peers lack offsets in the view's transaction, dead letters, the check of key and department, and traces.
"""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import asyncpg
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaMessage
from pydantic import BaseModel

from bench import events
from bench.fixtures import Sandbox
from bench.harness import Leg, timed
from schemas.events import StatusChanged

UPSERT: Final = """
INSERT INTO status AS stored (student_id, department, version, occurred_at, heard_at, source_partition, source_offset,
                            status)
VALUES ($1, $2, $3, $4, $5, 0, 0, $6)
ON CONFLICT (student_id, department) DO UPDATE SET
    version = excluded.version, occurred_at = excluded.occurred_at, heard_at = excluded.heard_at,
    source_partition = excluded.source_partition, source_offset = excluded.source_offset, status = excluded.status
WHERE excluded.version > stored.version
"""


class Document(BaseModel):
    id: str
    source: str
    type: str
    time: datetime
    data: StatusChanged


async def one_by_one(sandbox: Sandbox, count: int) -> Leg:
    """Default acknowledgement."""
    done = [0]
    pool = await asyncpg.create_pool(sandbox.dsn, min_size=2)
    broker = KafkaBroker(**sandbox.kafka.broker_options(), logger=None)

    @broker.subscriber(
        sandbox.topics.status(events.DEPARTMENT),
        group_id=f"bench-{uuid4()}",
        auto_offset_reset="earliest",
        decoder=_one,
    )
    async def handle(document: Document) -> None:
        await pool.execute(UPSERT, *_row(document))
        done[0] += 1

    return await _timed(broker, pool, done, count, sandbox.database)


async def in_batches(sandbox: Sandbox, count: int) -> Leg:
    """Acknowledged after the batch."""
    done = [0]
    pool = await asyncpg.create_pool(sandbox.dsn, min_size=2)
    broker = KafkaBroker(**sandbox.kafka.broker_options(), logger=None)

    @broker.subscriber(
        sandbox.topics.status(events.DEPARTMENT),
        group_id=f"bench-{uuid4()}",
        auto_offset_reset="earliest",
        batch=True,
        max_records=2000,
        ack_policy=AckPolicy.ACK,
        decoder=_many,
    )
    async def handle(documents: list[Document]) -> None:
        await pool.executemany(UPSERT, [_row(document) for document in documents])
        done[0] += len(documents)

    return await _timed(broker, pool, done, count, sandbox.database)


async def _timed(broker: KafkaBroker, pool: "asyncpg.Pool[Any]", done: list[int], count: int, database: str) -> Leg:
    starting = asyncio.create_task(broker.start())
    try:
        return await timed(lambda: done[0], count, database)
    finally:
        await starting
        await broker.stop()
        await pool.close()


def _row(document: Document) -> tuple[Any, ...]:
    event = document.data
    return (
        event.student_id,
        event.department,
        event.version,
        event.occurred_at,
        datetime.now(UTC),
        event.model_dump_json(),
    )


async def _one(message: KafkaMessage) -> Any:
    # FastStream decodes application/json, not the content type of CloudEvents.
    return json.loads(message.body)


async def _many(message: KafkaMessage) -> Any:
    return [json.loads(record.value) for record in message.raw_message]
