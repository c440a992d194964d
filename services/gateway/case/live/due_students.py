"""Which connected students are read next.

Those of whom something may be new go first, all at once. Everybody is read in shares, with a pause in proportion to
each, so that streams never crowd out pages and a change of one student does not wait until all others were read.
"""

import time
from collections import Counter
from collections.abc import Callable, Set
from typing import Final

from services.kit.view_groups import group_of, groups_in

MAX_INTERVAL_S: Final = 5.0
"""Between reads of everybody without notifications: a department that falls silent changes checks too."""
SHARE: Final = 100
"""So long a change of one student may wait."""
_PAUSE: Final = 1
RETRY_S: Final = 0.5
"""After a read that failed."""


class DueStudents:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._streams: Counter[str] = Counter()
        """Of a student."""
        self._groups: dict[str, set[str]] = {}
        """Whom a change in a group may concern."""
        self._former: dict[str, tuple[str, ...]] = {}
        """Former numbers of those who have some."""
        self._named: set[str] = set()
        self._others: dict[str, None] = {}
        """In the order in which they are read."""
        self._everybody_at = clock() + MAX_INTERVAL_S
        self._others_at = 0.0
        self._sharing = False

    @property
    def students(self) -> Set[str]:
        return self._streams.keys()

    def connected(self, student_id: str) -> None:
        """Due at once."""
        self._streams[student_id] += 1
        self._join(student_id, (student_id,))
        self._named.add(student_id)

    def known_as(self, student_id: str, former: tuple[str, ...]) -> None:
        """What changes under a former number concerns the student as well."""
        if former == self._former.get(student_id, ()) or student_id not in self._streams:
            return
        self._leave(student_id)
        self._former[student_id] = former
        self._join(student_id, (student_id, *former))

    def disconnected(self, student_id: str) -> bool:
        """Whether it was the student's last stream."""
        self._streams[student_id] -= 1
        if self._streams[student_id] > 0:
            return False
        del self._streams[student_id]
        self._leave(student_id)
        self._named.discard(student_id)
        self._others.pop(student_id, None)
        return True

    def note(self, notice: str) -> None:
        groups = groups_in(notice)
        if groups is None:
            self._everybody()
        else:
            self._named.update(*(self._groups.get(group, ()) for group in groups))

    def wait_s(self) -> float:
        """Until some are due without a notification."""
        at = min(self._others_at, self._everybody_at) if self._others else self._everybody_at
        return 0.0 if self._named else max(0.0, at - self._clock())

    def take(self) -> set[str]:
        now = self._clock()
        if now >= self._everybody_at:
            self._everybody()
        taken, self._named = self._named, set()
        self._sharing = bool(self._others) and now >= self._others_at
        if self._sharing:
            taken.update(list(self._others)[:SHARE])
        for student_id in taken:
            self._others.pop(student_id, None)
        return taken

    def took(self, seconds: float) -> None:
        """The read of what was taken."""
        if self._sharing:
            self._others_at = max(self._others_at, self._clock() + _PAUSE * seconds)

    def failed(self) -> None:
        """Nothing of what was taken was read."""
        self._everybody()
        self._others_at = self._clock() + RETRY_S

    def _everybody(self) -> None:
        """Who waits already keeps the place."""
        for student_id in self._streams:
            self._others.setdefault(student_id)
        self._everybody_at = self._clock() + MAX_INTERVAL_S

    def _join(self, student_id: str, numbers: tuple[str, ...]) -> None:
        for number in numbers:
            self._groups.setdefault(group_of(number), set()).add(student_id)

    def _leave(self, student_id: str) -> None:
        for group in {group_of(number) for number in (student_id, *self._former.pop(student_id, ()))}:
            self._groups[group].discard(student_id)
            if not self._groups[group]:
                del self._groups[group]
