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
from services.kit.messaging.consumer_state import ConsumerState
from services.kit.messaging.dead_letters.limit import DeadLetterCounter, DeadLetterLimit, DeadLetterLimitExceeded
from services.kit.messaging.dead_letters.store import ApplyBatch, DeadLetter, store_dead_letters
from services.kit.messaging.log_positions.log_identity import LogChanged
from services.kit.messaging.log_positions.offsets import Records, lock_unseen, next_positions, save_offsets
from services.kit.messaging.log_positions.positions import StoredPositions
from services.kit.observability import metrics
from services.kit.postgres.pool import Connection, refused_value, transaction, transient
from services.kit.runtime.failpoints import failpoint

RETRY_S: Final = (0.1, 10.0)
SetAside = Callable[[Connection, ConsumerRecord], Awaitable[None]]
_log = structlog.get_logger(__name__)


async def nothing(_: Connection, __: ConsumerRecord) -> None: ...


class UnitOfWork:
    """`after_commit` wakes the relay, which would otherwise poll. `set_aside`: what else to store with the dead letter
    of a record that the database refused.
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
        set_aside: SetAside = nothing,
    ) -> None:
        self._set_aside = set_aside
        self._pool, self._positions, self._group = pool, positions, positions.group
        self._apply = apply
        self._counter = DeadLetterCounter(limit)
        self._after_commit, self._state = after_commit, state

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
        async with transaction(self._pool) as connection:
            unseen = await lock_unseen(
                connection, self._group, records, self._positions.resets, self._state.next_offsets
            )
            following = next_positions(unseen)
            dead_letters = await _applied(apply, connection, unseen)
            stored = await store_dead_letters(connection, self._group, dead_letters)
            self._counter.check(unseen, stored)
            await save_offsets(connection, self._group, following, self._positions.topic_ids)
            failpoint("consumer.before_commit")
        failpoint("consumer.after_commit")
        self._counter.committed()
        self._after_commit()
        self._count(stored)
        self._state.positions.update(following)
        self._state.next_offsets.update({part: at.next_offset for part, at in following.items()})
        self._state.advanced_at = time.monotonic()

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
            return [DeadLetter(record, f"the database cannot store a value of it: {self.error}")]

        return store


async def _applied(apply: ApplyBatch, connection: Connection, records: Records) -> list[DeadLetter]:
    try:
        return await apply(connection, records) if records else []
    except Exception as error:
        if refused_value(error):
            raise ValueRefused(type(error).__name__) from error
        raise
