"""Ends tasks, also one that misses a cancellation.

In Python 3.11 `asyncio.wait_for` drops one that comes in the turn in which what it waits for is done: the task goes on,
and whoever waits for its end waits for ever.
"""

import asyncio
from collections.abc import Collection
from typing import Any, Final

_AGAIN_AFTER_S: Final = 1.0
_ATTEMPTS: Final = 10


async def ended(tasks: Collection["asyncio.Task[Any]"]) -> None:
    """Cancels them until they are done. One that takes no notice is left behind at last."""
    pending = set(tasks)
    for _ in range(_ATTEMPTS):
        for task in pending:
            task.cancel()
        if pending:
            _, pending = await asyncio.wait(pending, timeout=_AGAIN_AFTER_S)
    # Asked for, or asyncio would log that nobody did.
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()
