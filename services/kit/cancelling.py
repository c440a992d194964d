"""Ends tasks, also one that misses a cancellation.

In Python 3.11 `asyncio.wait_for` drops one that comes in the turn in which what it waits for is done: the task goes on,
and whoever waits for its end waits for ever.
"""

import asyncio
from collections.abc import Collection
from typing import Any, Final

_AGAIN_AFTER_S: Final = 1.0
_ATTEMPTS: Final = 10


async def ended(tasks: Collection["asyncio.Future[Any]"]) -> None:
    """Cancels them until they are done. One that takes no notice is left behind at last."""
    pending = set(tasks)
    for _ in range(_ATTEMPTS):
        for task in pending:
            task.cancel()
        if pending:
            _, pending = await asyncio.wait(pending, timeout=_AGAIN_AFTER_S)
    for task in set(tasks) - pending:
        retrieved(task)


def retrieved(task: "asyncio.Future[Any]") -> None:
    """Of one that is done: asyncio would log that nobody asked how it ended."""
    if not task.cancelled():
        task.exception()
