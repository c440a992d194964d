"""A department's statuses of one student as a model: published, lost with its database, and merged by a reader.

The reader's merge does not depend on order or repetition, so its row is that of all records of the topic.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache, reduce
from typing import Final, NamedTuple

from schemas.events import StatusChanged
from services.clearance.view.rows import Row, merge
from services.kit.rules.assessment import Assessment, check_status, next_status
from services.kit.rules.reasons import CASE_OPENED, CHANGE_WAITING

LONGEST: Final = 6
NOW: Final = datetime(2026, 6, 10, tzinfo=UTC)


class State(NamedTuple):
    """`version`, `owes` and `floor` of the database, `backup` of the first two; `topic`: (version, owes) in order."""

    version: int = 0
    owes: bool = False
    floor: int = 0
    topic: tuple[tuple[int, bool], ...] = ()
    backup: tuple[int, bool] | None = None
    restored: bool = False


class Publication:
    """`floor`: a restored department raises its floor to what its topic has, and publishes again, before it changes."""

    def __init__(self, *, floor: bool = True) -> None:
        self._floor = floor

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        if len(state.topic) < LONGEST:
            yield "change", _published(state._replace(owes=not state.owes), owed_before=state.owes)
        if state.backup is None:
            yield "back up", state._replace(backup=(state.version, state.owes))
        elif not state.restored:
            version, owes = state.backup
            restored = state._replace(version=version, owes=owes, restored=True)
            if self._floor:
                highest = max((version for version, _ in state.topic), default=0)
                restored = _published(restored._replace(floor=highest), owed_before=owes, again=True)
            yield "restore", restored


def shows_what_is_on_record(state: State) -> bool:
    """What the reader shows is the newest status; it may hide it."""
    row = _row(state)
    return row is None or not row.readable or row.status == str(state.owes).encode()


def shows_it(state: State) -> bool:
    row = _row(state)
    return row is None or row.readable


def _row(state: State) -> Row | None:
    rows = [
        Row("TS20269001", "library", 0, version, offset, NOW.isoformat(), str(owes).encode())
        for offset, (version, owes) in enumerate(state.topic)
    ]
    return reduce(merge, reversed(rows)) if rows else None


def _published(state: State, *, owed_before: bool, again: bool = False) -> State:
    version = _next_version(state.version, owed_before, state.owes, state.floor, again)
    return state._replace(version=version, topic=(*state.topic, (version, state.owes)))


@cache
def _next_version(version: int, owed_before: bool, owes: bool, floor: int, again: bool) -> int:
    previous = None
    if version:
        previous = StatusChanged(
            student_id="TS20269001",
            department="library",
            version=version,
            occurred_at=NOW,
            cause=CASE_OPENED(),
            checks=_assessment(owed_before).checks,
        )
    status = next_status(
        previous,
        _assessment(owes),
        student_id="TS20269001",
        department="library",
        cause=CASE_OPENED(),
        now=NOW,
        floor=floor,
        again=again,
    )
    assert status is not None
    return status.version


def _assessment(owes: bool) -> Assessment:
    return Assessment((check_status("one", [CHANGE_WAITING()] if owes else [], {}),))
