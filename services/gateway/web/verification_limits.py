"""Limits of the public check of forms: of an address, of a number, and of this process altogether.

By number, all instances together: the 2^39.6 codes of one cannot be tried from however many addresses. There is no
common limit that a crowd could hold empty; a process only protects itself.
"""

import time
from typing import Final

from services.gateway.tables.shared_limits import SharedLimit, SharedLimits
from services.kit.http.client_address import limited_address
from services.kit.http.problems import Problem
from services.kit.postgres.pool import transient
from services.kit.runtime.token_buckets import TokenBuckets

ADDRESS = SharedLimit("verify address", rate=0.2, burst=20.0)
"""Enough for an office with a pile of forms."""
NUMBER = SharedLimit("verify number", rate=1.0, burst=30.0)
PROCESS_RATE, PROCESS_BURST = 50.0, 500.0
_PROCESS: Final = b""


class VerificationLimits:
    def __init__(self, shared: SharedLimits) -> None:
        self._shared = shared
        self._addresses = TokenBuckets(ADDRESS.rate, ADDRESS.burst)
        self._process = TokenBuckets(PROCESS_RATE, PROCESS_BURST)

    async def take(self, host: str, number: str) -> None:
        """`number`: as it is stored, or empty. Raises a 429 `Problem`."""
        address, now_s = limited_address(host), time.monotonic()
        # In the process first: what it refuses costs the database nothing, and it is all there is while that is away.
        wait_s = self._addresses.take(address.encode(), 1.0, now_s) or self._process.take(_PROCESS, 1.0, now_s)
        if wait_s := wait_s or await self._take_shared(address, number):
            raise Problem(
                429,
                "too-many-checks",
                title="Too many checks",
                detail="Check again after the time in Retry-After.",
                headers={"Retry-After": str(int(wait_s) + 1)},
            )

    async def _take_shared(self, address: str, number: str) -> float:
        try:
            wait_s = await self._shared.take(ADDRESS, address)
            # Not what the address was refused: it would use up the number's for everybody.
            return wait_s or (await self._shared.take(NUMBER, number) if number else 0.0)
        except Exception as error:
            if not transient(error):
                raise
            return 0.0
