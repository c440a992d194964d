"""The load while versions change: a valid request has to succeed, whatever is replaced meanwhile."""

import asyncio
import itertools
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from schemas.flows import CLEARANCE
from tests.support.gateway.server import sign_in
from tests.upgrade.stories import END_WITHIN_S, PAUSE_S, Stories
from tests.upgrade.two_versions import CLERK

CHANGED: Final = 24
DESKS: Final = 4
READERS: Final = 3
SUBMITTING_AT_ONCE: Final = 2
_ERROR: Final = re.compile(r'"level": ?"(error|critical)"')
_LOST: Final = (httpx.TransportError, httpx.TimeoutException)


@dataclass
class Load:
    """`faults`: every answer that nobody should have seen."""

    stories: Stories
    faults: Counter[str] = field(default_factory=Counter)
    phase: str = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Ends with every story that was begun at its end."""
        stories, observed = self.stories, self.stories.observed
        changed = [await observed.student() for _ in range(CHANGED)]
        readers = [await stories.signed_in() for _ in range(READERS)]
        clerk = await sign_in(observed.installation, CLERK)
        told: list[Callable[[int], Awaitable[None]]] = [
            *(_of(stories.change, changed[desk::DESKS]) for desk in range(DESKS)),
            *(_of(stories.read, browser) for browser in readers),
            *[stories.submit] * SUBMITTING_AT_ONCE,
            _of(stories.watch, readers[0]),
            _of(stories.look_up, clerk, changed),
            stories.send_file,
        ]
        tasks = [asyncio.create_task(self._repeat(story)) for story in told]
        try:
            yield
            self.stories.over.set()
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            for browser in (*readers, clerk):
                await browser.close()

    async def _repeat(self, story: Callable[[int], Awaitable[None]]) -> None:
        for number in itertools.count():
            if self.stories.over.is_set():
                return
            try:
                await story(number)
            except _LOST as error:
                self._fault(f"{type(error).__name__} {error}")
            except AssertionError as error:
                self._fault(str(error))
            await asyncio.sleep(PAUSE_S)

    def _fault(self, what: str) -> None:
        self.faults[f"{self.phase}: {what[:300]}"] += 1

    async def settled(self) -> None:
        """The view has what the departments published."""
        await self.stories.observed.installation.in_step(timeout_s=END_WITHIN_S)

    async def dead_letters(self) -> dict[str, int]:
        """Open ones, by service."""
        names = (*self.stories.observed.installation.departments, CLEARANCE)
        found = {}
        for name in names:
            database = await self.stories.observed.installation.database(name)
            found[name] = await database.fetchval("SELECT count(*) FROM dead_letter WHERE ended_at IS NULL")
        return {name: count for name, count in found.items() if count}

    def errors_logged(self) -> list[str]:
        """The first of each process."""
        found = []
        for process, text in self.stories.observed.installation.logs().items():
            lines = [line for line in text.splitlines() if _ERROR.search(line)]
            found += [f"{process} logged {len(lines)} errors: {lines[0][:300]}"] if lines else []
        return found


def _of(story: Callable[..., Awaitable[None]], *given: Any) -> Callable[[int], Awaitable[None]]:
    return lambda number: story(*given, number)
