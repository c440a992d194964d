"""Outbox relay: one leader sends rows, and deletes them once acknowledged.

One student's rows leave in the order of their commits (outbox_reader.py), also across leaders (producer_identity.py).
The process wakes its relay after each commit; one that does not lead passes that on by NOTIFY. No row is ever given up:
whole reads of the table find what any other missed.
"""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import structlog
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import Span, SpanKind

from schemas.codec import TOMBSTONE_HEADERS
from services.kit.backoff import Backoff
from services.kit.kafka.connection import KafkaConnection
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.relaying.alive_marks import JSON_HEADER, AliveMarks
from services.kit.messaging.relaying.mark_publisher import MarkPublisher
from services.kit.messaging.relaying.outbox_deleter import OutboxDeleter
from services.kit.messaging.relaying.outbox_reader import OutboxReader
from services.kit.messaging.relaying.own_topic import PublishedLog, compare_with_topic
from services.kit.messaging.relaying.producer import BatchProducer, OutboundRecord
from services.kit.messaging.relaying.producer_identity import ProducerIdentity
from services.kit.names import AdvisoryLock
from services.kit.observability import subjects
from services.kit.observability.telemetry import exports_spans, remote_context, traceparent_of
from services.kit.postgres.leadership import SILENT_AFTER_S, LeaderSession, connect_alone
from services.kit.runtime.failpoints import failpoint
from services.kit.signing.records import RecordSigner

UNSETTLED_S: Final = (0.005, 0.05)
FULL_SCAN_EVERY_S: Final = 0.5
_EARLY_S: Final = 0.002
"""The event loop's timers are whole milliseconds, and most end early."""
_CANDIDATE_EVERY_S: Final = 1.0
_CHANNEL: Final = "outbox"

_log = structlog.get_logger(__name__)
_tracer = trace.get_tracer("lixiao.relay")


@dataclass(slots=True)
class RelayState:
    """`polled_at` by `time.monotonic()`, 0 before the first poll."""

    leading: bool = False
    polled_at: float = 0.0


class Relay:
    """`published`: what is compared with the database before anything is sent.

    `silent_after_s`: a leader whose session ran nothing for so long is replaced.
    """

    def __init__(
        self,
        dsn: str,
        *,
        kafka: KafkaConnection,
        name: str,
        wakeup: Wakeup,
        alive: AliveMarks | None = None,
        published: PublishedLog | None = None,
        signer: RecordSigner | None = None,
        silent_after_s: float = SILENT_AFTER_S,
    ) -> None:
        self._dsn, self._name, self._silent_after_s = dsn, name, silent_after_s
        self._identity = ProducerIdentity()
        self._producer = BatchProducer(kafka, client_id=f"{name}.relay", identity=self._identity)
        self._wakeup, self._signer = wakeup, signer
        self._marks, self._published, self._kafka = MarkPublisher(self._producer, alive), published, kafka
        self.state = RelayState()

    async def run(self) -> None:
        with suppress_instrumentation():
            try:
                name = f"{self._name}.relay"
                async with LeaderSession(self._dsn, name, silent_after_s=self._silent_after_s) as session:
                    await self._lead(session)
                    if self._published is not None:
                        # Also of a database that was restored under a running service: that ended the session.
                        await session.waiting_for(compare_with_topic(session, self._kafka, self._published))
                    async with _connected(self._dsn, f"{name}.delete") as deleting:
                        await self._drain(session, OutboxDeleter(deleting))
            finally:
                self.state.leading = False
                self._identity.session = None
                await self._producer.close()

    async def _lead(self, session: LeaderSession) -> None:
        while not await session.try_lead(AdvisoryLock.RELAY_LEADER):
            self.state.polled_at = tried_at = time.monotonic()
            while (left_s := tried_at + _CANDIDATE_EVERY_S - time.monotonic()) > 0:
                if await self._wakeup.wait(left_s):
                    await session.execute(f"NOTIFY {_CHANNEL}")
        await session.listen(_CHANNEL, self._wakeup.notify)
        self._identity.session = session
        self.state.leading = True
        _log.info("relay.started_leading", relay=self._name)

    async def _drain(self, session: LeaderSession, deleter: OutboxDeleter) -> None:
        try:
            await self._loop(session, deleter)
        finally:
            await deleter.flush()

    async def _loop(self, session: LeaderSession, deleter: OutboxDeleter) -> None:
        reader, unsettled, scanned_at = OutboxReader(session, deleter.flush), Backoff(*UNSETTLED_S), 0.0
        while True:
            self.state.polled_at = time.monotonic()
            whole = self.state.polled_at - scanned_at >= FULL_SCAN_EVERY_S - _EARLY_S
            if whole:
                scanned_at = self.state.polled_at
            rows = await reader.read(whole=whole, beside=await self._marks.digest_query() if whole else None)
            if rows:
                await session.waiting_for(self._send(rows))
                if reader.more:
                    await deleter.flush()
                deleter.add([row["id"] for row in rows])
                if reader.more:
                    deleter.start()
            if (as_of := reader.swept()) is not None:
                await session.waiting_for(self._marks.publish(session, as_of, reader.beside))
            until_scan_s = max(0.0, scanned_at + FULL_SCAN_EVERY_S - time.monotonic())
            # A row that another process commits late is announced too, but its order hangs on it.
            idle_s = until_scan_s if reader.settled else min(unsettled.advance(), until_scan_s)
            # What is committed after a read wakes it: there is nothing to look for at once.
            woken = reader.more or await self._wakeup.wait(idle_s)
            if rows or woken:
                unsettled.reset()

    async def _send(self, rows: Sequence[asyncpg.Record]) -> None:
        failpoint("relay.after_select")
        spans: list[Span] = []
        try:
            await self._producer.send([self._signed(_record_of(row, spans)) for row in rows])
        finally:
            for span in spans:
                span.end()
        failpoint("relay.after_send")

    def _signed(self, record: OutboundRecord) -> OutboundRecord:
        if self._signer is None:
            return record
        signature = self._signer.headers(record.topic, record.key, record.value)
        return record._replace(headers=(*record.headers, *signature)) if signature else record


def _record_of(row: asyncpg.Record, spans: list[Span]) -> OutboundRecord:
    traceparent: str | None = row["traceparent"]
    if row["value"] is None:
        return OutboundRecord(row["topic"], row["key"], None, TOMBSTONE_HEADERS)
    if traceparent is None:
        return OutboundRecord(row["topic"], row["key"], row["value"], JSON_HEADER)
    if exports_spans() and int(traceparent[-2:], 16) & 1:
        span = _tracer.start_span(
            f"send {row['topic']}",
            context=remote_context(traceparent),
            kind=SpanKind.PRODUCER,
            attributes={
                "messaging.system": "kafka",
                "messaging.operation.type": "send",
                "messaging.destination.name": row["topic"],
                **subjects.attributes(row["key"]),
            },
        )
        spans.append(span)
        traceparent = traceparent_of(span) or traceparent
    return OutboundRecord(row["topic"], row["key"], row["value"], (*JSON_HEADER, ("traceparent", traceparent.encode())))


@asynccontextmanager
async def _connected(dsn: str, name: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    connection = await connect_alone(dsn, name)
    try:
        yield connection
    finally:
        connection.terminate()
