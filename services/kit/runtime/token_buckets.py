"""Rate limits by token bucket, in one process."""

from collections import OrderedDict
from typing import Final

_MAX_BUCKETS: Final = 20_000


class TokenBuckets:
    """`rate` tokens a second up to `burst`, by key; the least recently used are dropped."""

    def __init__(self, rate: float, burst: float, max_buckets: int = _MAX_BUCKETS) -> None:
        self._rate, self._burst, self._max_buckets = rate, burst, max_buckets
        self._levels: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def take(self, key: bytes, cost: float, now_s: float) -> float:
        """0.0 when granted, else the seconds after which it would be."""
        wait_s, level = self._wait_and_level(key, cost, now_s)
        self._levels.pop(key, None)
        self._levels[key] = (level if wait_s else level - cost, now_s)
        if len(self._levels) > self._max_buckets:
            self._levels.popitem(last=False)
        return wait_s

    def missing_s(self, key: bytes, cost: float, now_s: float) -> float:
        """As `take`, and takes nothing."""
        return self._wait_and_level(key, cost, now_s)[0]

    def _wait_and_level(self, key: bytes, cost: float, now_s: float) -> tuple[float, float]:
        level, at = self._levels.get(key, (self._burst, now_s))
        level = min(self._burst, level + (now_s - at) * self._rate)
        return (0.0 if level >= cost else (cost - level) / self._rate), level
