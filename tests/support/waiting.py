"""Waiting in tests: poll until something is true, with a deadline and a sentence about what was waited for."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

POLL_S = 0.05


async def eventually(
    is_true: Callable[[], bool | Awaitable[bool]], *, what: str, timeout_s: float = 20, poll_s: float = POLL_S
) -> None:
    """Poll `is_true` (plain or async) until it is. Fails the test at the deadline, saying `what` was waited for."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = is_true()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return
        assert time.monotonic() < deadline, f"waited {timeout_s:g} s for {what}"
        await asyncio.sleep(poll_s)
