"""A deadline even for a driver that hangs while cancelled."""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from services.kit.cancelling import retrieved

_BOUND_S: Final = 3.0


T = TypeVar("T")


async def bounded(work: Awaitable[T], timeout_s: float = _BOUND_S) -> T:
    """Raises `TimeoutError`, and does not wait for the cancelled work."""
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=timeout_s)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        task.cancel()
        task.add_done_callback(retrieved)
        raise TimeoutError
    return task.result()
