"""Authorization codes: each opens the door once, for one minute."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

CODE_LIFETIME_S = 60
CODES_MAX = 10_000


@dataclass(frozen=True)
class Grant:
    """What a code stands for: who signed in when, at which client, and how the client must prove it asked."""

    client_id: str
    redirect_uri: str
    code_challenge: str
    nonce: str | None
    sub: str
    signed_in_at_s: int


class CodeBook:
    """The codes given out and not yet used. They live as long as this process, which is longer than any of them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._grants: dict[str, tuple[float, Grant]] = {}

    def issue(self, grant: Grant) -> str:
        """Return a fresh code for `grant`. When `CODES_MAX` are open the oldest is dropped."""
        now_s = self._clock()
        self._forget_expired(now_s)
        if len(self._grants) >= CODES_MAX:
            del self._grants[next(iter(self._grants))]
        code = secrets.token_urlsafe(32)
        self._grants[code] = (now_s + CODE_LIFETIME_S, grant)
        return code

    def redeem(self, code: str) -> Grant | None:
        """Take the grant out: whatever the caller then finds wrong with the request, the code is spent."""
        expires_at_s, grant = self._grants.pop(code, (0.0, None))
        return grant if grant is not None and self._clock() < expires_at_s else None

    def _forget_expired(self, now_s: float) -> None:
        # Insertion order is expiry order.
        while self._grants and (oldest := next(iter(self._grants))) and self._grants[oldest][0] <= now_s:
            del self._grants[oldest]
