"""One statement for concurrent reads of different keys.

Under load, what a statement costs whatever it reads (round trip, task, release of the connection) is shared by all who
wait. A caller never joins a read that has begun: what it gets was read after it asked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")
_WITHIN_S: Final = 3.0


class _Batch(Generic[K, V]):
    """The callers of one read, who are answered `within_s` of the first."""

    def __init__(self, within_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(within_s, self.fail, TimeoutError())
        self._answers: dict[K, list[asyncio.Future[V | None]]] = {}

    @property
    def keys(self) -> list[K]:
        return list(self._answers)

    def answer_of(self, key: K) -> "asyncio.Future[V | None]":
        # One for each caller: a cancelled one must not end the others' wait.
        answer: asyncio.Future[V | None] = self._loop.create_future()
        self._answers.setdefault(key, []).append(answer)
        return answer

    def succeed(self, found: Mapping[K, V]) -> None:
        self._timer.cancel()
        for key, answers in self._answers.items():
            for answer in answers:
                if not answer.done():
                    answer.set_result(found.get(key))

    def fail(self, error: BaseException) -> None:
        self._timer.cancel()
        for answers in self._answers.values():
            for answer in answers:
                if not answer.done():
                    answer.set_exception(error)


class CoalescedReads(Generic[K, V]):
    """`read` reads the values of several keys, leaving out those without one. It must end by itself."""

    def __init__(
        self, read: Callable[[list[K]], Awaitable[Mapping[K, V]]], *, at_once: int = 1, within_s: float = _WITHIN_S
    ) -> None:
        self._read, self._at_once, self._within_s = read, at_once, within_s
        self._waiting: _Batch[K, V] | None = None
        self._running: set[asyncio.Task[None]] = set()

    async def get(self, key: K) -> V | None:
        """Raises what `read` raises, and `TimeoutError`."""
        if self._waiting is None:
            self._waiting = _Batch(self._within_s)
        answer = self._waiting.answer_of(key)
        if len(self._running) < self._at_once:
            # As a task it starts after the callers that are ready now have come.
            self._running.add(asyncio.create_task(self._read_waiting()))
        return await answer

    async def _read_waiting(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            while self._waiting is not None:
                batch, self._waiting = self._waiting, None
                await self._read_one(batch)
        finally:
            # In the step that found nothing waiting: who comes next starts a task.
            self._running.discard(task)

    async def _read_one(self, batch: _Batch[K, V]) -> None:
        try:
            found = await self._read(batch.keys)
        except Exception as error:
            batch.fail(error)
        except BaseException:
            batch.fail(ConnectionAbortedError("the read was cancelled"))
            raise
        else:
            batch.succeed(found)
