"""The search itself: shortest traces, traps, and no answer from a search that did not end."""

from collections.abc import Iterator

import pytest

from tests.support.model.search import TooManyStates, search


def count(number: int) -> Iterator[tuple[str, int]]:
    if number < 10:
        yield "one more", number + 1
        yield "double", min(number * 2, 10)


def test_the_trace_is_a_shortest() -> None:
    found = search(1, count, {"small": lambda number: number < 8})
    assert (found.broken, found.trace, found.last) == ("small", ("one more", "double", "double"), 8)


def test_a_state_from_which_the_goal_is_out_of_reach_is_found() -> None:
    found = search(1, count, {}, own=lambda label: label == "double", at_rest={"eight": lambda number: number == 8})
    assert (found.broken, found.last) == ("eight", 3)


def test_a_search_that_holds_says_how_many_states_it_saw() -> None:
    assert search(1, count, {"small": lambda number: number <= 10}).states == 10


def test_a_search_that_did_not_end_shows_nothing() -> None:
    with pytest.raises(TooManyStates):
        search(1, count, {}, limit=5)
