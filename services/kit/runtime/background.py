"""A task that is kept running beside the HTTP side of a service, and is heard of when it does not."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog

from services.kit.observability import metrics
from services.kit.runtime.health import Health

_FIRST_DELAY_S: Final = 0.2
_LONGEST_DELAY_S: Final = 15.0
_SETTLED_S: Final = 5.0
"""A restarted task is called well again after running this long."""
_STOP_BOUND_S: Final = 10.0
_log = structlog.get_logger(__name__)


@asynccontextmanager
async def background(
    name: str,
    run: Callable[[], Awaitable[None]],
    health: Health,
    *,
    first_delay_s: float = _FIRST_DELAY_S,
    longest_delay_s: float = _LONGEST_DELAY_S,
    settled_s: float = _SETTLED_S,
    stop_bound_s: float = _STOP_BOUND_S,
) -> AsyncIterator[None]:
    """Keep `run` running while the block lasts; blocks nest, so that tasks end in the reverse order of their start.

    `run` is meant not to return: an exception and a return are both logged, and it is started again after a delay that
    doubles from `first_delay_s` to `longest_delay_s`. The service is not ready until it has run for `settled_s` again.
    """
    kept = _Kept(name, run, first_delay_s, longest_delay_s, settled_s)
    health.add(name, kept.probe)
    task = asyncio.create_task(kept.keep(), name=name)
    try:
        yield
    finally:
        kept.stopping = True
        task.cancel()
        _, late = await asyncio.wait({task}, timeout=stop_bound_s)
        if late:
            _log.error("task.abandoned", task=name, after_s=stop_bound_s)
        health.remove(name)


class _Kept:
    def __init__(
        self,
        name: str,
        run: Callable[[], Awaitable[None]],
        first_delay_s: float,
        longest_delay_s: float,
        settled_s: float,
    ) -> None:
        self.stopping = False
        self._name = name
        self._run = run
        self._first_delay_s = first_delay_s
        self._longest_delay_s = longest_delay_s
        self._settled_s = settled_s
        self._wrong: str | None = None
        self._started_s: float | None = None

    async def keep(self) -> None:
        delay_s = self._first_delay_s
        while not self.stopping:
            self._started_s = time.monotonic()
            error = await self._once()
            if self.stopping:
                return
            if self._settled():
                delay_s = self._first_delay_s
            self._started_s = None
            self._wrong = type(error).__name__ if error else "ended without being asked"
            metrics.TASK_FAILURES.add(1, {"task": self._name})
            _log.error("task.failed", task=self._name, restart_in_s=delay_s, wrong=self._wrong, exc_info=error)
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, self._longest_delay_s)

    async def _once(self) -> Exception | None:
        try:
            await self._run()
        except Exception as error:
            return error
        return None

    def _settled(self) -> bool:
        return self._started_s is not None and time.monotonic() - self._started_s >= self._settled_s

    async def probe(self) -> str | None:
        if self._wrong is not None and self._settled():
            self._wrong = None
        return self._wrong
