"""Notes which page a student is shown, and has it written by and by: nobody who asks for a page waits for it.

A page that was shown already costs two look-ups, and one in the database for all of a second: another process may have
shown another one in between. What is lost: the last `FLUSH_S` of a process that is killed, and pages beyond
`MAX_WAITING` while the database takes none, which are counted.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import asyncpg
import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.gateway.shown.document import ShownPage
from services.gateway.shown.table import Shown, Still, shown_otherwise, still_shown, write
from services.kit.observability import metrics

FLUSH_S: Final = 1.0
BATCH: Final = 500
MAX_WAITING: Final = 10_000
"""About a kilobyte each."""
MAX_KNOWN: Final = 50_000
"""Students and languages whose newest page is known, about 300 bytes each."""
STILL_EVERY: Final = timedelta(minutes=5)
"""So exact is the instant at which a page was last shown."""
_log = structlog.get_logger(__name__)
T = TypeVar("T", Shown, Still)


@dataclass(slots=True)
class _Current:
    digest: bytes
    noted_at: datetime
    """The newest instant that is written or waits to be."""


class ShownPages:
    """Used from one event loop."""

    def __init__(self, pool: "asyncpg.Pool[Any]", *, keep: bool = True) -> None:
        self._pool, self._keep = pool, keep
        self._known: OrderedDict[tuple[str, str], _Current] = OrderedDict()
        self._waiting: list[Shown] = []
        self._still: dict[tuple[str, str], Still] = {}
        self._again: dict[tuple[str, str], Shown] = {}
        """Pages that this process has shown before; the newest of each student and language."""
        self._dropped = 0

    def note(self, student_id: str, language: str, page: ShownPage) -> None:
        """It is shown now."""
        if not self._keep:
            return
        key, now = (student_id, language), datetime.now(UTC)
        current = self._known.get(key)
        if current is None or current.digest != page.digest:
            self._changed(key, page, now, resumed=current is None)
            return
        if len(self._again) < MAX_WAITING:
            self._again[key] = Shown(student_id, language, now, page, resumed=True)
        if now - current.noted_at >= STILL_EVERY:
            current.noted_at = now
            self._still[key] = Still(student_id, language, page.digest, now)

    async def run(self) -> None:
        try:
            while True:
                await asyncio.sleep(FLUSH_S)
                await self.flush()
        finally:
            # A process that is stopped writes what it has.
            await asyncio.shield(self.flush())

    async def flush(self) -> None:
        """Writes all that waits. Raises database errors, and keeps what was not written."""
        with suppress_instrumentation():
            while self._waiting or self._still or self._again:
                batch, still = self._waiting[:BATCH], list(self._still.values())[:BATCH]
                # After what waits: the page that is shown again may be one of it.
                again = list(self._again.values())[:BATCH] if len(self._waiting) <= BATCH else []
                async with self._pool.acquire() as connection, connection.transaction():
                    await write(connection, batch)
                    await still_shown(connection, still)
                    await write(connection, await shown_otherwise(connection, again) if again else ())
                del self._waiting[: len(batch)]
                _drop(self._still, still)
                _drop(self._again, again)
        if self._dropped:
            _log.error("shown_pages.dropped", count=self._dropped)
            self._dropped = 0

    def _changed(self, key: tuple[str, str], page: ShownPage, now: datetime, *, resumed: bool) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._dropped += 1
            metrics.SHOWN_PAGES_LOST.add(1)
            return
        self._known[key] = _Current(page.digest, now)
        self._known.move_to_end(key)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        self._still.pop(key, None)
        self._again.pop(key, None)
        self._waiting.append(Shown(*key, now, page, resumed))


def _drop(noted: dict[tuple[str, str], T], written: Sequence[T]) -> None:
    """What came meanwhile stays."""
    for one in written:
        key = one.student_id, one.language
        if noted.get(key) is one:
            del noted[key]
