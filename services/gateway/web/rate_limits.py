"""Rate limits by token bucket."""

from collections import OrderedDict
from typing import Final

from services.kit.http.problems import Problem

_MAX_BUCKETS: Final = 20_000
# Enough for an office with a pile of forms; too few altogether to search the 2^39.6 codes.
VERIFY_ADDRESS_RATE, VERIFY_ADDRESS_BURST = 0.2, 20.0
VERIFY_TOTAL_RATE, VERIFY_TOTAL_BURST = 5.0, 100.0
_TOTAL: Final = b""


class TokenBuckets:
    """`rate` tokens a second up to `burst`, by key; the least recently used are dropped."""

    def __init__(self, rate: float, burst: float, max_buckets: int = _MAX_BUCKETS) -> None:
        self._rate, self._burst, self._max_buckets = rate, burst, max_buckets
        self._levels: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def take(self, key: bytes, cost: float, now_s: float) -> float:
        """0.0 when granted, else the seconds after which it would be."""
        level, at = self._levels.pop(key, (self._burst, now_s))
        level = min(self._burst, level + (now_s - at) * self._rate)
        granted = level >= cost
        self._levels[key] = (level - cost if granted else level, now_s)
        if len(self._levels) > self._max_buckets:
            self._levels.popitem(last=False)
        return 0.0 if granted else (cost - level) / self._rate


class VerificationLimits:
    """Public verifications by client address, and altogether."""

    def __init__(self) -> None:
        self._addresses = TokenBuckets(VERIFY_ADDRESS_RATE, VERIFY_ADDRESS_BURST)
        self._total = TokenBuckets(VERIFY_TOTAL_RATE, VERIFY_TOTAL_BURST)

    def take(self, address: str, now_s: float) -> None:
        """Raises a 429 `Problem`."""
        wait_s = self._addresses.take(address.encode(), 1.0, now_s) or self._total.take(_TOTAL, 1.0, now_s)
        if wait_s:
            raise Problem(
                429,
                "too-many-checks",
                title="Too many checks",
                detail="Check again after the time in Retry-After.",
                headers={"Retry-After": str(int(wait_s) + 1)},
            )
