"""From the commit at the desk to the last byte of the new page at a browser that has it open.

Every student has an open page, and each change is shown before the student's next one is due. Of four departments one
speaks, so that the pages are not those of usual cases, which cost less.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from bench.fixtures import cookies_of
from bench.latency.desk import Change, Desk, committed_at, due_at
from bench.live.clients import StreamClient, close, open_streams
from deploy.local.installation import Installation
from deploy.local.services import IDENTITY
from schemas.flows import GATEWAY

PATH: Final = "/case/live"
_ALL_SHOWN_WITHIN_S: Final = 60.0


async def commit_to_page(
    installation: Installation, students: Sequence[str], *, changes: int, per_s: float
) -> list[float]:
    """Seconds of each change."""
    await installation.start(IDENTITY, GATEWAY)
    clients = await open_streams(installation.address(GATEWAY), PATH, await cookies_of(installation, students))
    desk, shown = Desk(installation), dict[Change, float]()
    turns = [asyncio.Lock() for _ in students]

    async def change(number: int, at: float) -> None:
        which = number % len(students)
        await asyncio.sleep(at - time.time())
        async with turns[which]:
            client: StreamClient = clients[which]
            before = client.shown
            version = await desk.note_violation(students[which])
            await client.until_shown(before + 1)
            shown[students[which], version] = client.shown_at

    try:
        async with asyncio.timeout(changes / per_s + _ALL_SHOWN_WITHIN_S):
            await asyncio.gather(*(change(*each) for each in enumerate(due_at(changes, per_s))))
    finally:
        close(clients)
        desk.connections.close()
    committed = await committed_at(installation)
    return [at - committed[change] for change, at in shown.items()]
