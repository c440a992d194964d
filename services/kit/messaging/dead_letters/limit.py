"""Dead-letter limit: a broken decoder stops its consumer instead of emptying its topics."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from services.kit.messaging.dead_letters.store import DeadLetter
from services.kit.messaging.log_positions.offsets import Records
from services.kit.settings import Settings

WINDOW: Final = 1000
"""In records of a topic."""


class DeadLetterLimitExceeded(Exception):
    """The text names topic and limit."""


@dataclass(frozen=True, slots=True)
class DeadLetterLimit:
    """Undecodable records of a topic: share of the last `WINDOW`, and in a row."""

    max_ratio: float = 0.2
    max_consecutive: int = 100

    @classmethod
    def of(cls, settings: Settings) -> "DeadLetterLimit":
        return cls(settings.dead_letter_max_ratio, settings.dead_letter_max_consecutive)


@dataclass(slots=True)
class _Tally:
    count: int = 0
    undecodable: deque[int] = field(default_factory=deque)
    """Ordinals within the window."""
    consecutive: int = 0

    def copy(self) -> "_Tally":
        return _Tally(self.count, deque(self.undecodable), self.consecutive)


class DeadLetterCounter:
    def __init__(self, limit: DeadLetterLimit) -> None:
        self._limit = limit
        self._tallies: dict[str, _Tally] = {}
        self._next: dict[str, _Tally] = {}

    def check(self, records: Records, stored: Sequence[DeadLetter]) -> None:
        """`stored`: new dead letters. Raises `DeadLetterLimitExceeded`; counts once `committed`."""
        undecodable = {(one.record.topic, one.record.partition, one.record.offset) for one in stored if not one.decoded}
        counts = Counter([record.topic for record in records])
        self._next = {topic: self._tally(topic) for topic in counts}
        if not undecodable:
            for topic, count in counts.items():
                self._next[topic].count += count
                self._next[topic].consecutive = 0
            return
        for record in records:
            tally = self._next[record.topic]
            tally.count += 1
            if (record.topic, record.partition, record.offset) not in undecodable:
                tally.consecutive = 0
                continue
            tally.consecutive += 1
            tally.undecodable.append(tally.count)
            self._refuse_too_many(record.topic, tally)

    def committed(self) -> None:
        self._tallies.update(self._next)

    def _tally(self, topic: str) -> _Tally:
        return self._tallies[topic].copy() if topic in self._tallies else _Tally()

    def _refuse_too_many(self, topic: str, tally: _Tally) -> None:
        while tally.undecodable[0] <= tally.count - WINDOW:
            tally.undecodable.popleft()
        if tally.consecutive > self._limit.max_consecutive:
            raise DeadLetterLimitExceeded(
                f"more than {self._limit.max_consecutive} consecutive records of {topic} cannot be decoded"
            )
        if len(tally.undecodable) > self._limit.max_ratio * WINDOW:
            raise DeadLetterLimitExceeded(
                f"more than {self._limit.max_ratio:.0%} of the last {WINDOW} records of {topic} cannot be decoded"
            )
