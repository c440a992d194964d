"""What a notice says of several occasions."""

from itertools import pairwise
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from services.notices.news.occasions import SUBMISSION, Kind, Occasion, notice_id
from services.notices.news.summary import summarise, taken_now
from services.notices.news.turns import LineState

CLEAR, BLOCKED = LineState.CLEAR, LineState.BLOCKED


def line(number: int, before: LineState, after: LineState, subject: str = "library/thesis") -> Occasion:
    return Occasion(uuid4(), "TS20260001", Kind.LINE, subject, number, before, after)


def end(number: int, kind: Kind = Kind.REFUSED) -> Occasion:
    return Occasion(uuid4(), "TS20260001", kind, SUBMISSION, number)


def test_a_line_is_said_once_as_it_stands_now() -> None:
    turned = [line(1, BLOCKED, CLEAR), line(2, CLEAR, BLOCKED), line(3, BLOCKED, CLEAR)]
    (item,) = summarise(turned)
    assert (item.subject, item.state) == ("library/thesis", CLEAR)
    assert set(item.occasions) == {one.occasion_id for one in turned}


def test_a_line_that_turned_back_is_not_said() -> None:
    assert summarise([line(2, CLEAR, BLOCKED), line(1, BLOCKED, CLEAR)]) == ()


def test_of_several_ends_the_last_is_said() -> None:
    (item,) = summarise([end(2, Kind.ACCEPTED), end(1)])
    assert item.kind is Kind.ACCEPTED


def test_nothing_is_said_of_nothing() -> None:
    assert summarise([]) == ()


@given(st.lists(st.sampled_from([CLEAR, BLOCKED]), min_size=1, max_size=12))
def test_a_line_is_said_exactly_if_it_ends_otherwise_than_it_began(states: list[LineState]) -> None:
    pairs = [(before, after) for before, after in pairwise(states) if before is not after]
    found = summarise(line(number, before, after) for number, (before, after) in enumerate(pairs))
    assert [item.state for item in found] == ([states[-1]] if states[0] is not states[-1] else [])


def test_all_lines_go_as_soon_as_the_oldest_is_due_and_an_end_takes_none_with_it() -> None:
    old, new, ended = line(1, BLOCKED, CLEAR), line(1, CLEAR, BLOCKED, "dorm/check-out"), end(1)
    assert taken_now([(old, True), (new, False)]) == (old, new)
    assert taken_now([(new, False), (ended, True)]) == (ended,)
    assert taken_now([(old, False), (new, False)]) == ()


def test_a_notice_has_an_id_by_what_it_is_about_and_its_channel() -> None:
    one, two = UUID(int=1), UUID(int=2)
    assert notice_id("mail", [one, two]) == notice_id("mail", [two, one])
    assert notice_id("mail", [one]) != notice_id("wecom", [one])
    assert notice_id("mail", [one]) != notice_id("mail", [one, two])
