"""Projector: folds the departments' status topics into the view, one transaction a batch."""

import asyncio
import time
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
from aiokafka import ConsumerRecord, TopicPartition

from schemas.codec import Unreadable
from schemas.topics import Topics
from schemas.types import highest_plausible_version
from services.clearance.notify import notify, notify_traced
from services.clearance.submission.after_acceptance import exceptions
from services.clearance.view import source_store, status_dead_letters, view_store
from services.clearance.view.batch_spans import BatchSpans, sampled, start_spans
from services.clearance.view.fold import TOGETHER, Batch, fold_batch, read_together, split_at_digests
from services.clearance.view.reconciliation.comparison import compare
from services.clearance.view.records import status_row, unreadable_row
from services.clearance.view.rows import Row
from services.kit.kafka.connection import KafkaConnection
from services.kit.messaging.consumer import TransactionalConsumer
from services.kit.messaging.dead_letters.limit import DeadLetterLimit
from services.kit.messaging.dead_letters.store import DeadLetter
from services.kit.messaging.faststream_shell import TransactionalRouter
from services.kit.messaging.handlers import Share, Transaction
from services.kit.messaging.log_positions.offsets import OneClaim, Records
from services.kit.observability import metrics
from services.kit.observability.traced_statuses import TracedStatus
from services.kit.postgres.pool import Connection
from services.kit.settings import SESSION_TIMEOUT_S

PROJECTOR: Final = "clearance.projector"
MEASURED_PER_BATCH: Final = 64
"""In a backlog more latencies would only repeat them."""
DISPUTED: Final = "version: it was published before with other content, and which one holds is unknown"


@dataclass(frozen=True, slots=True)
class _Pending:
    rows: Sequence[Row]
    spans: BatchSpans


class Projector:
    def __init__(
        self,
        *,
        pool: "asyncpg.Pool[Any]",
        kafka: KafkaConnection,
        topics: Topics,
        departments: Sequence[str],
        workers: int = 2,
        max_records: int = 2000,
        session_timeout_s: float = SESSION_TIMEOUT_S,
        limit: DeadLetterLimit | None = None,
    ) -> None:
        self.topics = status_topics(topics, departments)
        self.group = topics.group(PROJECTOR)
        self._pending: ContextVar[_Pending | None] = ContextVar("pending", default=None)
        self.router = TransactionalRouter(group=self.group, session_timeout_s=session_timeout_s)
        statuses = self.router.subscriber(
            *self.topics, batch=True, workers=workers, max_records=max_records, ahead=self._fold_ahead
        )

        @statuses()
        async def project(records: Sequence[Any], connection: Transaction) -> list[DeadLetter]:
            return await self.apply(connection, records)

        self.consumer = TransactionalConsumer(
            self.router,
            name=PROJECTOR,
            pool=pool,
            kafka=kafka,
            limit=limit,
            after_commit=self.committed,
            set_aside=self.hide,
            on_loss=self.lose,
            at_once=self.apply_alone,
        )
        self.run = self.consumer.run

    async def apply(self, connection: Connection, records: Records) -> list[DeadLetter]:
        """Returns the unreadable records."""
        now = datetime.now(UTC)
        self._drop_pending()
        spans = start_spans(records, self.topics)
        traced: list[TracedStatus] = []
        rows: list[Row] = []
        dead_letters: list[DeadLetter] = []
        read_count = changed = moved = 0
        try:
            for part in split_at_digests(records):
                if not part:
                    continue
                batch = await self._fold(connection, part)
                moved += await view_store.forget(connection, batch.forgotten)
                await status_dead_letters.forget_dead_letters(connection, self.group, batch.forgotten)
                applied = await view_store.apply_rows(connection, batch.rows, now=now)
                # During the season almost no student of a batch has submitted yet.
                concerned = [row.key for row in batch.rows if row.student_id in applied.submitted]
                await exceptions.update(connection, concerned)
                moved += await source_store.apply_alive(connection, batch.alive, now=now)
                moved += await compare(connection, batch.digests, now=now)
                dead_letters += [DeadLetter(bad.record, bad.reason) for bad in batch.unreadable]
                for bad in batch.unreadable:
                    spans.refuse(bad.record)
                # Which of several were not new is not known; of one record, as most batches of the day are, it is.
                outcome = "stored" if applied.changed >= len(batch.rows) else "merged" if applied.changed else "known"
                traced += spans.stored(batch.rows, outcome)
                dead_letters += self._disputed(part, batch.rows, applied.disputed)
                rows += batch.rows
                read_count += batch.read
                changed += applied.changed
                # Statuses are notified with their statement.
                moved += len(batch.unreadable)
            if moved:
                await notify(connection)
            await notify_traced(connection, traced)
        except BaseException as error:
            spans.fail(type(error).__name__)
            raise
        spans.count(read=read_count, changed=changed, dead_letters=len(dead_letters))
        self._pending.set(_Pending(rows, spans))
        return dead_letters

    async def apply_alone(self, connection: Connection, records: Records, claim: OneClaim) -> bool:
        """The one status of a batch that says nothing else, which most batches of the day are: a round trip for four.

        False, with nothing written: it is for `apply`.
        """
        self._drop_pending()
        batch: Batch[ConsumerRecord] | None = records.ahead if isinstance(records, Share) else None
        if batch is None or not batch.is_one_status or any(sampled(records)):
            return False
        if not await view_store.apply_alone(connection, batch.rows[0], claim, now=datetime.now(UTC)):
            return False
        self._pending.set(_Pending(batch.rows, start_spans((), self.topics)))
        return True

    async def hide(self, connection: Connection, record: ConsumerRecord) -> None:
        """The student's status behind a record that the database refused."""
        self._drop_pending()
        row = unreadable_row(record, self.topics[record.topic])
        if row is not None:
            await view_store.apply_rows(connection, [row], now=datetime.now(UTC))
            await notify(connection)

    async def lose(self, connection: Connection, part: TopicPartition) -> None:
        """What was received from a partition is stale until it is published again."""
        await source_store.lose_source(connection, self.topics[part.topic], part.partition, now=datetime.now(UTC))
        await notify(connection)

    async def _fold_ahead(self, records: Records) -> Batch[ConsumerRecord]:
        """Whatever a worker waits for may have come: it is not kept waiting for a whole batch."""
        highest = highest_plausible_version(time.time())
        known: list[Row | None] = []
        for at in range(0, len(records), TOGETHER):
            if at:
                await asyncio.sleep(0)
            known += read_together(records[at : at + TOGETHER], self.topics, highest)
        return fold_batch(records, self.topics, highest_version=highest, known=known)

    async def _fold(self, connection: Connection, records: Sequence[ConsumerRecord]) -> Batch[ConsumerRecord]:
        highest = highest_plausible_version(time.time())
        batch = records.ahead if isinstance(records, Share) else None
        if batch is None:
            batch = fold_batch(records, self.topics, highest_version=highest)
        if not batch.unreadable:
            return batch
        positions = [(bad.record.topic, bad.record.partition, bad.record.offset) for bad in batch.unreadable]
        discarded = await status_dead_letters.discarded_positions(connection, self.group, positions)
        if not discarded:
            return batch
        return fold_batch(records, self.topics, discarded=discarded, highest_version=highest)

    def _disputed(
        self, records: Sequence[ConsumerRecord], rows: Sequence[Row], keys: Sequence[tuple[str, str]]
    ) -> list[DeadLetter]:
        """Records that repeated a version with other content."""
        versions = {row.key: row.version for row in rows if row.key in keys}
        found = []
        for record in records if versions else ():
            try:
                row = status_row(record, self.topics[record.topic])
            except Unreadable:
                continue
            if versions.get(row.key) == row.version:
                found.append(DeadLetter(record, DISPUTED, decoded=True))
        return found

    def _drop_pending(self) -> None:
        """The batch was applied and not committed: it is being retried."""
        pending = self._pending.get()
        if pending is not None:
            pending.spans.fail("NotCommitted")
            self._pending.set(None)

    def committed(self) -> None:
        """Record latencies of the batch this task applied last, and end its spans."""
        pending = self._pending.get()
        if pending is None:
            return
        self._pending.set(None)
        now = datetime.now(UTC)
        step = max(1, len(pending.rows) // MEASURED_PER_BATCH)
        for row in pending.rows[::step]:
            if row.version:
                latency_s = max(0.0, (now - datetime.fromisoformat(row.occurred_at)).total_seconds())
                metrics.COMMIT_TO_VIEW.record(latency_s, {"department": row.department})
        pending.spans.end()


def status_topics(topics: Topics, departments: Sequence[str]) -> dict[str, str]:
    return {topics.status(department): department for department in departments}
