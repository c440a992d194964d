"""Exponential back-off: the one policy by which connections, consumers, imports and tasks are retried."""

import asyncio


class Backoff:
    """Delays in seconds that double from `first_s` up to `longest_s`."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s, self._longest_s = first_s, longest_s
        self.next_s = first_s
        """How long the next wait will be."""

    async def wait(self) -> float:
        """Sleep for the next delay; returns how long that was."""
        delay_s = self.advance()
        await asyncio.sleep(delay_s)
        return delay_s

    def advance(self) -> float:
        """The next delay, for a caller that waits by itself."""
        delay_s = self.next_s
        self.next_s = min(2 * delay_s, self._longest_s)
        return delay_s

    def reset(self) -> None:
        """Start over: what was retried has succeeded."""
        self.next_s = self._first_s
