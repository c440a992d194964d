"""Unit of work: a batch, its offsets and its dead letters in one transaction."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import asyncpg
import structlog

from services.kit.backoff import Backoff
from services.kit.messaging.consumer_state import ConsumerState
from services.kit.messaging.dead_letters.limit import DeadLetterCounter, DeadLetterLimit, DeadLetterLimitExceeded
from services.kit.messaging.dead_letters.store import ApplyBatch, DeadLetter, store_dead_letters
from services.kit.messaging.offsets import Records, lock_unseen, next_offsets, save_offsets
from services.kit.observability import metrics
from services.kit.postgres.pool import transient
from services.kit.runtime.failpoints import failpoint

RETRY_S: Final = (0.1, 10.0)
_log = structlog.get_logger(__name__)


class UnitOfWork:
    """`after_commit` wakes the relay, which would otherwise poll."""

    def __init__(
        self,
        *,
        pool: "asyncpg.Pool[Any]",
        group: str,
        apply: ApplyBatch,
        limit: DeadLetterLimit,
        after_commit: Callable[[], None],
        state: ConsumerState,
    ) -> None:
        self._pool, self._group, self._apply = pool, group, apply
        self._counter = DeadLetterCounter(limit)
        self._after_commit, self._state = after_commit, state

    async def run(self, records: Records) -> None:
        """Retries with back-off, and skips nothing. Raises only `DeadLetterLimitExceeded`, uncommitted."""
        backoff = Backoff(*RETRY_S)
        while True:
            try:
                await self._commit(records)
            except DeadLetterLimitExceeded:
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

    async def _commit(self, records: Records) -> None:
        failpoint("consumer.after_poll")
        following = next_offsets(records)
        async with self._pool.acquire() as connection:
            async with connection.transaction():
                unseen = await lock_unseen(connection, self._group, records)
                dead_letters = await self._apply(connection, unseen) if unseen else []
                stored = await store_dead_letters(connection, self._group, dead_letters)
                self._counter.check(unseen, stored)
                await save_offsets(connection, self._group, following)
                failpoint("consumer.before_commit")
            failpoint("consumer.after_commit")
        self._counter.committed()
        self._after_commit()
        self._count(stored)
        self._state.next_offsets.update(following)
        self._state.advanced_at = time.monotonic()

    def _count(self, stored: list[DeadLetter]) -> None:
        for topic, count in Counter(one.record.topic for one in stored).items():
            metrics.DEAD_LETTERS.add(count, {"group": self._group, "topic": topic})
            _log.error("record.dead_lettered", group=self._group, topic=topic, count=count)
