"""Outbox relay: one leader sends rows, and deletes them once acknowledged.

Incremental reads start after the last id sent, past deleted rows. Full scans also find rows committed late, and alone
may find the outbox empty. No row is ever given up.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import asyncpg
import structlog
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import Span, SpanKind

from schemas.codec import CONTENT_TYPE, encode
from schemas.events import SourceAlive
from schemas.flows import source_of
from schemas.topics import ALIVE_KEY
from services.kit.backoff import Backoff
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.producer import BatchProducer, OutboundRecord
from services.kit.names import AdvisoryLock
from services.kit.observability.telemetry import remote_context, traceparent_of
from services.kit.runtime.failpoints import failpoint

BATCH_ROWS: Final = 2000
IDLE_S: Final = (0.005, 0.05)
FULL_SCAN_EVERY_S: Final = 0.5
_JSON: Final = (("content-type", CONTENT_TYPE.encode()),)

_log = structlog.get_logger(__name__)
_tracer = trace.get_tracer("lixiao.relay")


@dataclass(frozen=True, slots=True)
class AliveMarks:
    """Sent to every partition of the topic while the outbox is empty."""

    department: str
    topic: str
    every_s: float


@dataclass(slots=True)
class RelayState:
    """`polled_at` by `time.monotonic()`, 0 before the first poll."""

    leading: bool = False
    polled_at: float = 0.0


class Relay:
    def __init__(self, dsn: str, *, kafka: str, name: str, wakeup: Wakeup, alive: AliveMarks | None = None) -> None:
        self._dsn = dsn
        self._producer = BatchProducer(kafka, client_id=f"{name}.relay")
        self._name = name
        self._wakeup = wakeup
        self._alive = alive
        self._alive_at = 0.0
        self._deleting: asyncio.Task[None] | None = None
        self.state = RelayState()

    async def run(self) -> None:
        with suppress_instrumentation():
            try:
                async with _connected(self._dsn, f"{self._name}.relay") as reader:
                    await self._lead(reader)
                    async with _connected(self._dsn, f"{self._name}.relay.delete") as deleter:
                        await self._drain(reader, deleter)
            finally:
                self.state.leading = False
                await self._producer.close()

    async def _lead(self, reader: "asyncpg.Connection[Any]") -> None:
        while not await reader.fetchval("SELECT pg_try_advisory_lock($1)", AdvisoryLock.RELAY_LEADER):
            self.state.polled_at = time.monotonic()
            await asyncio.sleep(1)
        self.state.leading = True
        _log.info("relay.started_leading", relay=self._name)

    async def _drain(self, reader: "asyncpg.Connection[Any]", deleter: "asyncpg.Connection[Any]") -> None:
        try:
            await self._loop(reader, deleter)
        finally:
            await self._deleted()

    async def _loop(self, reader: "asyncpg.Connection[Any]", deleter: "asyncpg.Connection[Any]") -> None:
        last_id, idle, scanned_at = 0, Backoff(*IDLE_S), 0.0
        while True:
            self.state.polled_at = time.monotonic()
            full_scan = self.state.polled_at - scanned_at >= FULL_SCAN_EVERY_S
            if full_scan:
                # A row sent but not yet deleted would be read, and sent, a second time.
                await self._deleted()
                scanned_at = self.state.polled_at
            read_at = datetime.now(UTC)
            rows = await _rows(reader, 0 if full_scan else last_id)
            if rows:
                await self._send(rows)
                last_id = max(last_id, rows[-1]["id"])
                await self._deleted()
                self._deleting = asyncio.create_task(_delete(deleter, [row["id"] for row in rows]))
                idle.reset()
                continue
            await self._deleted()
            if full_scan:
                await self._publish_alive_marks(read_at)
            if await self._wakeup.wait(idle.advance()):
                idle.reset()

    async def _deleted(self) -> None:
        deleting, self._deleting = self._deleting, None
        if deleting is not None:
            await deleting

    async def _send(self, rows: Sequence[asyncpg.Record]) -> None:
        failpoint("relay.after_select")
        spans: list[Span] = []
        try:
            await self._producer.send([_record_of(row, spans) for row in rows])
        finally:
            for span in spans:
                span.end()
        failpoint("relay.after_send")

    async def _publish_alive_marks(self, as_of: datetime) -> None:
        if self._alive is None or time.monotonic() - self._alive_at < self._alive.every_s:
            return
        value = encode(
            SourceAlive(department=self._alive.department, as_of=as_of),
            event_id=uuid4(),
            source=source_of(self._alive.department),
            time=as_of,
        )
        partitions = await self._producer.partitions(self._alive.topic)
        await self._producer.send(
            [OutboundRecord(self._alive.topic, ALIVE_KEY, value, _JSON, partition) for partition in range(partitions)]
        )
        self._alive_at = time.monotonic()


def _record_of(row: asyncpg.Record, spans: list[Span]) -> OutboundRecord:
    traceparent: str | None = row["traceparent"]
    if traceparent is None:
        return OutboundRecord(row["topic"], row["key"], row["value"], _JSON)
    if int(traceparent[-2:], 16) & 1:
        span = _tracer.start_span(
            f"send {row['topic']}",
            context=remote_context(traceparent),
            kind=SpanKind.PRODUCER,
            attributes={
                "messaging.system": "kafka",
                "messaging.operation.type": "send",
                "messaging.destination.name": row["topic"],
            },
        )
        spans.append(span)
        traceparent = traceparent_of(span) or traceparent
    return OutboundRecord(row["topic"], row["key"], row["value"], (*_JSON, ("traceparent", traceparent.encode())))


async def _rows(connection: "asyncpg.Connection[Any]", after_id: int) -> list[asyncpg.Record]:
    return await connection.fetch(
        "SELECT id, topic, key, value, traceparent FROM outbox WHERE id > $1 ORDER BY id LIMIT $2",
        after_id,
        BATCH_ROWS,
    )


async def _delete(connection: "asyncpg.Connection[Any]", ids: list[int]) -> None:
    failpoint("relay.before_delete")
    await connection.execute("DELETE FROM outbox WHERE id = ANY($1::bigint[])", ids)
    failpoint("relay.after_delete")


class _connected(AbstractAsyncContextManager["asyncpg.Connection[Any]"]):
    """Outside the pool: an advisory lock belongs to its session."""

    def __init__(self, dsn: str, name: str) -> None:
        self._dsn, self._application = dsn, name

    async def __aenter__(self) -> "asyncpg.Connection[Any]":
        self._connection = await asyncpg.connect(
            self._dsn,
            timeout=10,
            command_timeout=30,
            server_settings={"application_name": self._application[:63], "timezone": "UTC"},
        )
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        self._connection.terminate()
