"""Exponential back-off: the one retry policy."""

import asyncio


class Backoff:
    """Delays that double from `first_s` to `max_s`."""

    def __init__(self, first_s: float, max_s: float) -> None:
        self._first_s, self._max_s = first_s, max_s
        self.next_s = first_s

    async def wait(self) -> float:
        """Returns the seconds slept."""
        delay_s = self.advance()
        await asyncio.sleep(delay_s)
        return delay_s

    def advance(self) -> float:
        """For a caller that sleeps itself."""
        delay_s = self.next_s
        self.next_s = min(2 * delay_s, self._max_s)
        return delay_s

    def reset(self) -> None:
        self.next_s = self._first_s
