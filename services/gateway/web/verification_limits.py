"""Limits of the public check of forms."""

from typing import Final

from services.kit.http.problems import Problem
from services.kit.runtime.token_buckets import TokenBuckets

# Enough for an office with a pile of forms; too few altogether to search the 2^39.6 codes.
VERIFY_ADDRESS_RATE, VERIFY_ADDRESS_BURST = 0.2, 20.0
VERIFY_TOTAL_RATE, VERIFY_TOTAL_BURST = 5.0, 100.0
_TOTAL: Final = b""


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
