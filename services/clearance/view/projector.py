"""From the departments' topics to the view: a batch of records becomes one transaction."""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import structlog
from aiokafka import ConsumerRecord

from schemas.codec import Unreadable
from schemas.topics import Topics
from services.clearance.notify import notify
from services.clearance.submission import exceptions
from services.clearance.view import view_store
from services.clearance.view.batch_spans import BatchSpans, start_spans
from services.clearance.view.fold import Batch, Row, fold_batch, status_row
from services.kit.messaging.consumer import TransactionalConsumer
from services.kit.messaging.dead_letters import DeadLetter
from services.kit.observability import metrics
from services.kit.postgres.pool import Connection
from services.kit.settings import SESSION_TIMEOUT_S

NAME: Final = "clearance.projector"
MEASURED_PER_BATCH: Final = 64
"""Rows of a batch whose way to the view is recorded: under a backlog the rest would only repeat them."""
DISPUTED: Final = "version: it was said before with another content, and which holds is ambiguous"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Pending:
    """What is told once the batch is committed."""

    rows: Sequence[Row]
    parked: Mapping[str, int]
    spans: BatchSpans


class Projector:
    """The consumer of every department's status topic.

    `topics` maps each topic to its department, `run` reads until cancelled, `inbox` is what health watches.
    """

    def __init__(
        self,
        *,
        pool: "asyncpg.Pool[Any]",
        kafka: str,
        topics: Topics,
        departments: Sequence[str],
        lanes: int = 2,
        max_records: int = 2000,
        session_timeout_s: float = SESSION_TIMEOUT_S,
    ) -> None:
        self.topics = status_topics(topics, departments)
        self.group = topics.group(NAME)
        self._pending: ContextVar[_Pending | None] = ContextVar("pending", default=None)
        self.inbox = TransactionalConsumer(
            pool=pool,
            kafka=kafka,
            group=self.group,
            topics=self.topics,
            apply=self.apply,
            lanes=lanes,
            max_records=max_records,
            session_timeout_s=session_timeout_s,
            committed=self.committed,
        )
        self.run = self.inbox.run

    async def apply(self, connection: Connection, records: Sequence[ConsumerRecord], parked: list[DeadLetter]) -> None:
        """Fold the records into the view inside the open transaction; what cannot be read is appended to `parked`."""
        now = datetime.now(UTC)
        self._forget()
        spans = start_spans(records)
        try:
            batch = await self._fold(connection, records)
            applied = await view_store.apply_rows(connection, batch.rows, now=now)
            await exceptions.update(connection, [row.key for row in batch.rows if row.version])
            moved = await view_store.apply_alive(connection, batch.alive, now=now)
            parked += [DeadLetter(bad.record, bad.reason) for bad in batch.bad]
            parked += self._disputed(records, batch.rows, applied.disputed)
            if applied.changed or moved:
                await notify(connection)
        except BaseException as error:
            spans.fail(type(error).__name__)
            raise
        spans.count(read=batch.read, changed=applied.changed, parked=len(parked))
        self._pending.set(_Pending(batch.rows, _by_topic(parked), spans))

    async def _fold(self, connection: Connection, records: Sequence[ConsumerRecord]) -> Batch[ConsumerRecord]:
        batch = fold_batch(records, self.topics)
        if not batch.bad:
            return batch
        positions = [(bad.record.topic, bad.record.partition, bad.record.offset) for bad in batch.bad]
        discarded = await view_store.discarded_positions(connection, self.group, positions)
        return fold_batch(records, self.topics, passed_over=discarded) if discarded else batch

    def _disputed(
        self, records: Sequence[ConsumerRecord], rows: Sequence[Row], keys: Sequence[tuple[str, str]]
    ) -> list[DeadLetter]:
        """The records of this batch that said a version a second time, with another content."""
        versions = {row.key: row.version for row in rows if row.key in keys}
        found = []
        for record in records if versions else ():
            try:
                row = status_row(record, self.topics[record.topic])
            except Unreadable:
                continue
            if versions.get(row.key) == row.version:
                found.append(DeadLetter(record, DISPUTED))
        return found

    def _forget(self) -> None:
        """A batch of this lane that was applied and then not committed: it is what is being taken again."""
        pending = self._pending.get()
        if pending is not None:
            pending.spans.fail("NotCommitted")
            self._pending.set(None)

    def committed(self) -> None:
        """The batch applied last in this task is committed: say how long its way was, and end its spans."""
        pending = self._pending.get()
        if pending is None:
            return
        self._pending.set(None)
        now = datetime.now(UTC)
        step = max(1, len(pending.rows) // MEASURED_PER_BATCH)
        for row in pending.rows[::step]:
            if row.version:
                way_s = max(0.0, (now - row.occurred_at).total_seconds())
                metrics.COMMIT_TO_VIEW.record(way_s, {"department": row.department})
        for topic, count in pending.parked.items():
            metrics.DEAD_LETTERS.add(count, {"group": self.group, "topic": topic})
            _log.error("records parked", topic=topic, count=count)
        pending.spans.end()


def status_topics(topics: Topics, departments: Sequence[str]) -> dict[str, str]:
    """Status topic → department."""
    return {topics.status(department): department for department in departments}


def _by_topic(parked: Sequence[DeadLetter]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in parked:
        counts[one.record.topic] = counts.get(one.record.topic, 0) + 1
    return counts
