"""Supervised background tasks, with a health probe and a metric."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog

from services.kit.backoff import Backoff
from services.kit.kafka.refusals import log_refusal
from services.kit.observability import metrics
from services.kit.runtime.health import Health

_FIRST_DELAY_S: Final = 0.2
_MAX_DELAY_S: Final = 15.0
_SETTLED_S: Final = 5.0
"""After this long a restarted task has recovered."""
_STOP_TIMEOUT_S: Final = 10.0
_log = structlog.get_logger(__name__)


@asynccontextmanager
async def background(
    name: str,
    run: Callable[[], Awaitable[None]],
    health: Health,
    *,
    first_delay_s: float = _FIRST_DELAY_S,
    max_delay_s: float = _MAX_DELAY_S,
    settled_s: float = _SETTLED_S,
    stop_timeout_s: float = _STOP_TIMEOUT_S,
) -> AsyncIterator[None]:
    """A return counts as a failure too. Not ready again until `run` has lasted `settled_s`."""
    task = _SupervisedTask(name, run, Backoff(first_delay_s, max_delay_s), settled_s)
    health.add(name, task.probe)
    running = asyncio.create_task(task.supervise(), name=name)
    try:
        yield
    finally:
        task.stopping = True
        running.cancel()
        _, late = await asyncio.wait({running}, timeout=stop_timeout_s)
        if late:
            _log.error("task.abandoned", task=name, after_s=stop_timeout_s)
        health.remove(name)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class _SupervisedTask:
    def __init__(self, name: str, run: Callable[[], Awaitable[None]], backoff: Backoff, settled_s: float) -> None:
        self.stopping = False
        self._name, self._run = name, run
        self._backoff, self._settled_s = backoff, settled_s
        self._failure: str | None = None
        self._started_at: float | None = None
        metrics.TASK_FAILURES.add(0, {"task": name})

    async def supervise(self) -> None:
        while not self.stopping:
            self._started_at = time.monotonic()
            error = await self._run_once()
            if self.stopping:
                return
            if self._settled():
                self._backoff.reset()
            self._started_at = None
            self._failure = type(error).__name__ if error else "returned"
            metrics.TASK_FAILURES.add(1, {"task": self._name})
            delay_s = self._backoff.next_s
            _log.error("task.failed", task=self._name, error=self._failure, restart_in_s=delay_s, exc_info=error)
            log_refusal(error)
            await self._backoff.wait()

    async def _run_once(self) -> BaseException | None:
        try:
            await self._run()
        except Exception as error:
            return error
        except asyncio.CancelledError as error:
            # Of what it waited for, cancelled by somebody else: this task has to go on.
            if _is_cancelled():
                raise
            return error
        return None

    def _settled(self) -> bool:
        return self._started_at is not None and time.monotonic() - self._started_at >= self._settled_s

    async def probe(self) -> str | None:
        if self._failure is not None and self._settled():
            self._failure = None
        return self._failure
