"""What a notice says of several occasions: each line once, as it stands now, none that only flickered. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from services.notices.news.occasions import AT_ONCE, Kind, Occasion
from services.notices.news.turns import LineState


@dataclass(frozen=True, slots=True)
class Item:
    """`state` of a line, None of a submission. `occasions`: ids of all it sums up."""

    kind: Kind
    subject: str
    state: LineState | None
    occasions: tuple[UUID, ...]


def summarise(occasions: Iterable[Occasion]) -> tuple[Item, ...]:
    """In the order the subjects first occurred; a reminder of a line stands beside what turned."""
    by_subject: dict[tuple[bool, str], list[Occasion]] = {}
    for occasion in sorted(occasions, key=lambda one: one.number):
        by_subject.setdefault((occasion.kind is Kind.REMINDER, occasion.subject), []).append(occasion)
    found = (_item(subject, some) for (_, subject), some in by_subject.items())
    return tuple(item for item in found if item is not None)


def _item(subject: str, some: list[Occasion]) -> Item | None:
    first, last = some[0], some[-1]
    if last.after is not None and first.before is last.after:
        return None
    return Item(last.kind, subject, last.after, tuple(one.occasion_id for one in some))


def taken_now(occasions: Iterable[tuple[Occasion, bool]]) -> tuple[Occasion, ...]:
    """Of a student's occasions, each with whether it is due: all lines as soon as the oldest is."""
    found = tuple(occasions)
    lines_due = any(due for one, due in found if one.kind not in AT_ONCE)
    return tuple(one for one, due in found if due or (lines_due and one.kind not in AT_ONCE))
