"""Desks that change records without a pause, and how long each change took to reach the view."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from schemas.flows import CLEARANCE
from services.kit.postgres.pool import Connection
from tests.support.checker.history import Outcome
from tests.support.checker.observed_installation import ObservedInstallation

DEPARTMENT: Final = "finance"
POLL_S: Final = 0.05
SEEN_WITHIN_S: Final = 120.0


@dataclass
class Ticks:
    """Seconds from the desk's request to the view, in the order of arrival."""

    seconds: list[float] = field(default_factory=list)
    refused: int = 0
    """The desk answered something else than success: no change may be refused for a broker's sake."""

    @property
    def longest_s(self) -> float:
        return max(self.seconds)

    @property
    def usual_s(self) -> float:
        """The median."""
        return sorted(self.seconds)[len(self.seconds) // 2]


@asynccontextmanager
async def ticking(observed: ObservedInstallation, students: list[str]) -> AsyncIterator[Ticks]:
    """A charge and its waiver by turns for each of the students; ends with every change in the view."""
    ticks, over = Ticks(), asyncio.Event()
    connection = await observed.installation.connect(CLEARANCE)
    reading = asyncio.Lock()

    async def one(student_id: str) -> None:
        for number in itertools.count():
            if over.is_set():
                return
            for change in (observed.charge, observed.waive):
                began_s = time.monotonic()
                if await change(student_id, f"T-{number}") is not Outcome.OK:
                    ticks.refused += 1
                    continue
                await _seen(observed, connection, reading, student_id)
                ticks.seconds.append(time.monotonic() - began_s)

    tasks = [asyncio.create_task(one(student_id)) for student_id in students]
    try:
        yield ticks
        over.set()
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await connection.close()


async def _seen(observed: ObservedInstallation, connection: Connection, reading: asyncio.Lock, student_id: str) -> None:
    """The desk's newest version, which is in its answer, is in the view. Raises TimeoutError."""
    version = next(
        operation.reply["version"]
        for operation in reversed(observed.history.operations)
        if operation.student_id == student_id and "version" in operation.reply
    )
    async with asyncio.timeout(SEEN_WITHIN_S):
        while True:
            async with reading:
                viewed = await connection.fetchval(
                    "SELECT version FROM status WHERE department = $1 AND student_id = $2", DEPARTMENT, student_id
                )
            if viewed is not None and viewed >= version:
                return
            await asyncio.sleep(POLL_S)
