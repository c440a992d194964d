"""A student's page at an instant, from the pages that were kept: each line since when, and what came next. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.gateway.shown.document import Kept, ShownLine


@dataclass(frozen=True, slots=True)
class LineThen:
    """`since`: when it was first shown like this. `next`, `next_at`: what it became, and when that was shown.

    `began`: the student was not shown it otherwise before, as far as the history reaches back.
    """

    line: ShownLine
    since: datetime
    began: bool
    next: ShownLine | None = None
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PageThen:
    """`shown_until`: when it was shown last; `replaced_at`: when the student was shown another, if ever.

    Between the two an open page went on to show it, if it was left open.
    """

    kept: Kept
    lines: tuple[LineThen, ...]
    replaced_at: datetime | None

    @property
    def shown_until(self) -> datetime:
        return self.kept.until


@dataclass(frozen=True, slots=True)
class Turn:
    """A line that the student was shown otherwise from `at` on. `was` is None for the first."""

    at: datetime
    title: str
    was: str | None
    verdict: str
    state: str


def turns_of(history: Sequence[Kept], *, most: int = 50) -> tuple[Turn, ...]:
    """Newest first."""
    turns: list[Turn] = []
    last: dict[str, ShownLine] = {}
    for kept in history:
        for line in kept.document.lines:
            before = last.get(line.anchor)
            if before is None or _core(before) != _core(line):
                turns.append(Turn(kept.since, line.title, before.verdict if before else None, line.verdict, line.state))
            last[line.anchor] = line
    return tuple(reversed(turns[-most:]))


def page_at(history: Sequence[Kept], at: datetime) -> PageThen | None:
    """None if the student had not been shown a page by then, as far as the history reaches back."""
    shown = [number for number, one in enumerate(history) if one.since <= at]
    if not shown:
        return None
    number = shown[-1]
    kept, later = history[number], history[number + 1 :]
    return PageThen(
        kept,
        tuple(_line_then(line, history[: number + 1], later) for line in kept.document.lines),
        next((one.since for one in later), None),
    )


def _line_then(line: ShownLine, until_then: Sequence[Kept], later: Sequence[Kept]) -> LineThen:
    since, began = until_then[-1].since, True
    for one in reversed(until_then):
        before = _line_of(one, line.anchor)
        if before is None or _core(before) != _core(line):
            began = False
            break
        since = one.since
    for one in later:
        after = _line_of(one, line.anchor)
        if after is None or _core(after) != _core(line):
            return LineThen(line, since, began, after, one.since)
    return LineThen(line, since, began)


def _line_of(kept: Kept, anchor: str) -> ShownLine | None:
    return next((line for line in kept.document.lines if line.anchor == anchor), None)


def _core(line: ShownLine) -> tuple[Any, ...]:
    """The same in every language."""
    return line.state, line.version, line.occurred_at, line.readable, line.silent
