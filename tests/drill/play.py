"""Plays one event: how long until it was noticed, and how long until page, record and topic agree again."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from tests.drill.agreement import difference
from tests.drill.events import Event
from tests.drill.stage import Stage, elapsed_s
from tests.support.waiting import eventually

NOTICED_WITHIN_S: Final = 120.0
HEALED_WITHIN_S: Final = 120.0
POLL_S: Final = 0.5


@dataclass(frozen=True)
class Played:
    """Seconds since the part was destroyed."""

    event: Event
    changes: int
    noticed_s: float | None
    healed_s: float


async def play(stage: Stage, event: Event) -> Played:
    """Raises AssertionError for what was not noticed or did not heal in time."""
    await agree(stage, datetime.now(UTC))
    lines = event.signal.lines(stage) if event.signal else 0
    before = stage.changes
    async with stage.load():
        await event.prepare(stage)
        since, began_s = datetime.now(UTC), time.monotonic()
        noticing = asyncio.create_task(_noticed(stage, event, lines, began_s))
        try:
            await event.destroy(stage)
            noticed_s = await noticing
            await event.heal(stage)
        finally:
            noticing.cancel()
    await agree(stage, since)
    healed_s = elapsed_s(began_s)
    await event.prove(stage)
    return Played(event, stage.changes - before, noticed_s, healed_s)


async def _noticed(stage: Stage, event: Event, lines: int, began_s: float) -> float | None:
    signal = event.signal
    if signal is None:
        return None

    async def seen() -> bool:
        return await signal.seen(stage, lines)

    await eventually(seen, what=f"{event.name}: {signal}", timeout_s=NOTICED_WITHIN_S, poll_s=POLL_S)
    return elapsed_s(began_s)


async def agree(stage: Stage, since: datetime) -> None:
    found: list[str | None] = [None]

    async def equal() -> bool:
        found[0] = await difference(stage, since)
        return found[0] is None

    try:
        await eventually(equal, what="agreement", timeout_s=HEALED_WITHIN_S, poll_s=POLL_S)
    except AssertionError:
        raise AssertionError(f"after {HEALED_WITHIN_S:g} s: {found[0]}") from None
