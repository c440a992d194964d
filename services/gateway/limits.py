"""How often the public check may be asked."""

from typing import Final

from services.gateway.web.rate_limits import TokenBuckets
from services.kit.http.problems import Problem

# An office behind one address checks a pile of forms; all the world together cannot search the 2^39.6 codes.
ADDRESS_RATE, ADDRESS_BURST = 0.2, 20.0
ALL_RATE, ALL_BURST = 5.0, 100.0
_EVERYBODY: Final = b""


class Limits:
    """Checks by client address, and by everybody together. Bounded: the oldest addresses are forgotten first."""

    def __init__(self) -> None:
        self._addresses = TokenBuckets(ADDRESS_RATE, ADDRESS_BURST)
        self._all = TokenBuckets(ALL_RATE, ALL_BURST)

    def take(self, address: str, now_s: float) -> None:
        """Raises a 429 `Problem` for one check too many."""
        wait_s = self._addresses.take(address.encode(), 1.0, now_s) or self._all.take(_EVERYBODY, 1.0, now_s)
        if wait_s:
            raise Problem(
                429,
                "too-many-checks",
                title="Too many checks",
                detail="Check again after the time in Retry-After.",
                headers={"Retry-After": str(int(wait_s) + 1)},
            )
