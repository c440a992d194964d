"""A page at an instant: since when each of its lines, and what came next."""

from datetime import UTC, datetime, timedelta

from services.gateway.shown.as_it_was import page_at, turns_of
from services.gateway.shown.document import Kept, ShownDocument, ShownLine

START = datetime(2026, 6, 8, 8, tzinfo=UTC)


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def line(anchor: str, verdict: str, version: int, *, silent: bool = False) -> ShownLine:
    return ShownLine(
        anchor=anchor, department=anchor, title=anchor, state=verdict, verdict=verdict, version=version, silent=silent
    )


def kept(minute: int, *lines: ShownLine, language: str = "zh") -> Kept:
    document = ShownDocument(standing="open", headline=(), submission=(), lines=lines)
    return Kept(language, at(minute), at(minute) + timedelta(seconds=30), document)


HISTORY = (
    kept(0, line("library", "blocked", 1), line("dorm", "clear", 1)),
    kept(5, line("library", "clear", 2), line("dorm", "clear", 1)),
    kept(6, line("library", "clear", 2), line("dorm", "clear", 1), language="en"),
    kept(9, line("library", "clear", 2), line("dorm", "waiting", 1, silent=True)),
)


def test_before_the_first_page_nothing_was_shown() -> None:
    assert page_at(HISTORY, at(-1)) is None
    assert page_at((), at(1)) is None


def test_the_page_is_the_newest_one_of_then_and_is_shown_until_another_is() -> None:
    page = page_at(HISTORY, at(5))
    assert page is not None
    assert (page.kept, page.replaced_at) == (HISTORY[1], at(6))
    assert page.shown_until == at(5) + timedelta(seconds=30)
    newest = page_at(HISTORY, at(99))
    assert newest is not None
    assert newest.replaced_at is None


def test_each_line_has_since_when_it_was_shown_so_in_whatever_language_and_what_it_became() -> None:
    page = page_at(HISTORY, at(7))
    assert page is not None
    library, dorm = page.lines
    assert (library.since, library.began, library.next_at) == (at(5), False, None)
    assert (dorm.since, dorm.began, dorm.next_at) == (at(0), True, at(9))
    assert dorm.next is not None
    assert dorm.next.silent


def test_a_line_that_is_no_longer_shown_says_so() -> None:
    page = page_at((*HISTORY, kept(10, line("library", "clear", 2))), at(9))
    assert page is not None
    dorm = page.lines[1]
    assert (dorm.next, dorm.next_at) == (None, at(10))


def test_what_turned_is_listed_newest_first_and_another_language_is_no_turn() -> None:
    assert [(one.at, one.title, one.was, one.verdict) for one in turns_of(HISTORY)] == [
        (at(9), "dorm", "clear", "waiting"),
        (at(5), "library", "blocked", "clear"),
        (at(0), "dorm", None, "clear"),
        (at(0), "library", None, "blocked"),
    ]
    assert len(turns_of(HISTORY, most=1)) == 1
