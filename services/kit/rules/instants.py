"""Up to when what is on record was true: a newer act is never undone by an older word. Pure.

Kept by item, so that the list of one office may be older than the acts of another about the same student.
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from services.kit.student_numbers import Standing

Instants = Mapping[str, int]
"""Item → microseconds since 1970 of the newest word about it; `WHOLE`: about the whole record."""
WHOLE: Final = "*"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS: Final = range(2000, 3000)
"""Of what people write, as of events: near the ends of the calendar an instant cannot be stored in every zone."""
_MICROSECOND: Final = timedelta(microseconds=1)


class Outdated(Exception):
    """An older word than what is on record, which it would change; nothing was changed."""

    def __init__(self, standing: Standing) -> None:
        super().__init__("outdated")
        self.standing = standing


def micros(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def newest(instants: Instants, items: frozenset[str] | None) -> int:
    """Of the newest word about any of `items`; without items, about anything."""
    if not items:
        return max(instants.values(), default=0)
    return max(instants.get(item, 0) for item in (*items, WHOLE))


def with_word(instants: Instants, items: frozenset[str] | None, at: int) -> Instants:
    """`instants` after a word about `items` as of `at`; without items it was about the whole record."""
    if not items:
        later = {item: known for item, known in instants.items() if item != WHOLE and known > at}
        return {**later, WHOLE: max(at, instants.get(WHOLE, 0))}
    return {**instants, **{item: max(at, instants.get(item, 0)) for item in items}}


_WRITTEN: Final = re.compile(
    r"([0-9]{4})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?[ T]*"
    r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6})[0-9]*)?)?\s*(Z|[+-][0-9]{2}:[0-9]{2})?"
)


def read_instant(text: str) -> datetime | None:
    """As exports write it (2026-06-05 14:30, 2026年6月5日 14:30:00, …Z); naive without an offset.

    None for anything else, also for a day alone: an act of that day may be newer or older.
    """
    found = _WRITTEN.fullmatch(unicodedata.normalize("NFKC", text).strip())
    if found is None:
        return None
    *numbers, fraction, offset = found.groups()
    year, month, day, hour, minute, second = (int(number or 0) for number in numbers)
    if year not in _YEARS:
        return None
    try:
        at = datetime(year, month, day, hour, minute, second, int((fraction or "").ljust(6, "0")))
        if offset is not None:
            return datetime.fromisoformat(at.isoformat() + offset.replace("Z", "+00:00"))
    except ValueError:
        return None
    return at


def in_zone(at: datetime, zone: tzinfo) -> datetime:
    """Aware; a naive instant is taken for one of `zone`."""
    return at if at.tzinfo else at.replace(tzinfo=zone)
