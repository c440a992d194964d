"""Which lines a reminder is sent about, and why it is not. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Reach = Literal["reached", "unwanted", "no-address"]


class Outcome(StrEnum):
    TAKEN = "taken"
    """It is sent, unless everything is done by then."""
    DONE = "done"
    """Nothing that was meant is open."""
    RECENT = "recent"
    """The student was reminded of it a short time before."""
    UNWANTED = "unwanted"
    """The student wants no notices."""
    NO_ADDRESS = "no-address"


@dataclass(frozen=True, slots=True)
class Known:
    """Of a student. Lines as subjects; `done`: passed, or left out. `leaving`: the case is open, or not known yet."""

    leaving: bool = True
    done: frozenset[str] = frozenset()
    recent: frozenset[str] = frozenset()
    reach: Reach = "no-address"


@dataclass(frozen=True, slots=True)
class Judged:
    """`subjects`: of a taken one."""

    outcome: Outcome
    subjects: tuple[str, ...] = ()


def subjects_of(checks: Iterable[tuple[str, Iterable[str]]]) -> tuple[str, ...]:
    """Lines as occasions name them, of department and checks."""
    return tuple(f"{department}/{check}" for department, names in checks for check in names)


def still_open(subjects: Iterable[str], known: Known) -> tuple[str, ...]:
    """A line that is not known to be done."""
    return tuple(one for one in subjects if one not in known.done) if known.leaving else ()


def judge(subjects: Collection[str], known: Known) -> Judged:
    meant = still_open(subjects, known)
    if not meant:
        return Judged(Outcome.DONE)
    if known.reach != "reached":
        return Judged(Outcome(known.reach))
    due = tuple(one for one in meant if one not in known.recent)
    return Judged(Outcome.TAKEN, due) if due else Judged(Outcome.RECENT)
