"""Unit of work: a batch, its offsets and its dead letters in one transaction.

A batch that holds a value which the database refuses is halved until the record is alone, and that one is set aside.
"""

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

import asyncpg
import structlog
from aiokafka import ConsumerRecord

from services.kit.backoff import Backoff
from services.kit.messaging import outbox
from services.kit.messaging.consumer_state import ConsumerState
from services.kit.messaging.dead_letters.limit import DeadLetterCounter, DeadLetterLimit, DeadLetterLimitExceeded
from services.kit.messaging.dead_letters.store import (
    ApplyBatch,
    DeadLetter,
    refused_by_the_database,
    store_dead_letters,
)
from services.kit.messaging.log_positions.log_identity import LogChanged
from services.kit.messaging.log_positions.offsets import OneClaim, Records, claim_of_one, claim_unseen, next_positions
from services.kit.messaging.log_positions.positions import StoredPositions
from services.kit.messaging.outbox import Wakeup
from services.kit.observability import metrics
from services.kit.postgres.pool import Connection, refused_value, transient
from services.kit.runtime.failpoints import failpoint

RETRY_S: Final = (0.1, 10.0)
ApplyAtOnce = Callable[[Connection, Records, OneClaim], Awaitable[bool]]
"""The work of one record together with its position, by one statement without a transaction around it. False: nothing
was written, and it is to be done the usual way."""
SetAside = Callable[[Connection, ConsumerRecord], Awaitable[None]]
_log = structlog.get_logger(__name__)


async def nothing(_: Connection, __: ConsumerRecord) -> None: ...


class UnitOfWork:
    """`relay` is woken by a batch that made rows for it; `after_commit` is called after each. `set_aside`: what else to
    store with the dead letter of a record that the database refused. `at_once`: tried first for a batch of one record.
    """

    def __init__(
        self,
        *,
        pool: "asyncpg.Pool[Any]",
        positions: StoredPositions,
        apply: ApplyBatch,
        limit: DeadLetterLimit,
        after_commit: Callable[[], None],
        state: ConsumerState,
        relay: Wakeup | None = None,
        set_aside: SetAside = nothing,
        at_once: ApplyAtOnce | None = None,
    ) -> None:
        self._set_aside, self._at_once = set_aside, at_once
        self._pool, self._positions, self._group = pool, positions, positions.group
        self._apply = apply
        self._counter = DeadLetterCounter(limit)
        self._after_commit, self._state, self._relay = after_commit, state, relay

    async def run(self, records: Records) -> None:
        """Retries with back-off, and skips nothing.

        Raises only `DeadLetterLimitExceeded`, and `LogChanged` for records of an earlier log; uncommitted.
        """
        try:
            await self._retry(records, self._apply)
        except ValueRefused as refused:
            if len(records) == 1:
                await self._retry(records, refused.store_dead_letter(self._set_aside))
                return
            _log.warning("batch.halved", group=self._group, error=refused.error, records=len(records))
            half = len(records) // 2
            await self.run(records[:half])
            await self.run(records[half:])

    async def _retry(self, records: Records, apply: ApplyBatch) -> None:
        backoff = Backoff(*RETRY_S)
        while True:
            try:
                await self._commit(records, apply)
            except (DeadLetterLimitExceeded, LogChanged, ValueRefused):
                raise
            except Exception as error:
                self._state.failing = type(error).__name__
                _log.warning(
                    "batch.retried",
                    group=self._group,
                    error=type(error).__name__,
                    delay_s=backoff.next_s,
                    exc_info=None if transient(error) else error,
                )
                await backoff.wait()
            else:
                self._state.failing = None
                return

    async def _commit(self, records: Records, apply: ApplyBatch) -> None:
        failpoint("consumer.after_poll")
        written = outbox.written()
        async with self._pool.acquire() as connection:
            if apply is self._apply and await self._stored_at_once(connection, records):
                unseen, stored = records, list[DeadLetter]()
            else:
                unseen, stored = await self._stored(connection, records, apply)
            failpoint("consumer.after_commit")
        following = next_positions(unseen)
        self._counter.committed()
        if self._relay is not None and outbox.written() != written:
            self._relay.notify()
        self._after_commit()
        self._count(stored)
        self._state.positions.update(following)
        self._state.next_offsets.update({part: at.next_offset for part, at in following.items()})
        self._state.advanced_at = time.monotonic()

    async def _stored(
        self, connection: Connection, records: Records, apply: ApplyBatch
    ) -> tuple[Records, list[DeadLetter]]:
        """What nobody had committed before, and its new dead letters."""
        async with connection.transaction():
            unseen = await claim_unseen(
                connection,
                self._group,
                records,
                self._positions.resets,
                self._state.next_offsets,
                self._positions.topic_ids,
            )
            dead_letters = await _applied(apply, connection, unseen)
            stored = await store_dead_letters(connection, self._group, dead_letters)
            self._counter.check(unseen, stored)
            failpoint("consumer.before_commit")
        return unseen, stored

    async def _stored_at_once(self, connection: Connection, records: Records) -> bool:
        claim = self._at_once and claim_of_one(
            self._group, records, self._positions.resets, self._state.positions, self._positions.topic_ids
        )
        if self._at_once is None or claim is None:
            return False
        self._counter.check(records, ())
        failpoint("consumer.before_commit")
        try:
            return await self._at_once(connection, records, claim)
        except Exception as error:
            if refused_value(error):
                return False  # the usual way sets it aside
            raise

    def _count(self, stored: list[DeadLetter]) -> None:
        for topic, count in Counter(one.record.topic for one in stored).items():
            metrics.DEAD_LETTERS.add(count, {"group": self._group, "topic": topic})
            _log.error("record.dead_lettered", group=self._group, topic=topic, count=count)


class ValueRefused(Exception):
    """The database can never store a value of this batch. `error` is the type of its error."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error

    def store_dead_letter(self, set_aside: SetAside) -> ApplyBatch:
        """In the place of the work, for a batch of one."""

        async def store(connection: Connection, records: Records) -> list[DeadLetter]:
            (record,) = records
            await set_aside(connection, record)
            return [DeadLetter(record, refused_by_the_database(self.error))]

        return store


async def _applied(apply: ApplyBatch, connection: Connection, records: Records) -> list[DeadLetter]:
    try:
        return await apply(connection, records) if records else []
    except Exception as error:
        if refused_value(error):
            raise ValueRefused(type(error).__name__) from error
        raise
