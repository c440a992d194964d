"""What the end of `make bench` says of each goal."""

import pytest

from bench.__main__ import MEASUREMENTS
from bench.goals import GOALS, PROCESSOR, RATIO, Goal, lines
from bench.harness import Figure, Spread
from bench.plan import PLANS, minutes

FAST = Goal("page / constant", "gateway", "a page", RATIO, ">=", 0.5)
SHORT = Goal("page, p99", "gateway", "a page", "p99 ms", "<=", 20)
CHEAP = Goal("nothing", "idle", "idle", PROCESSOR, "<=", 80_000)


def page(*ratios: float, p99_ms: float = 10.0) -> Figure:
    return Figure("a page", Spread((100.0,)), ratio=Spread(ratios), values={"p99 ms": Spread((p99_ms,))})


def said(goal: Goal, figure: Figure) -> str:
    _, line, _ = lines([figure], [goal])
    return line


def test_the_median_decides_whether_a_goal_is_met() -> None:
    assert said(FAST, page(0.4, 0.6, 0.7)).endswith("yes, in 2 of 3 rounds")
    assert said(FAST, page(0.4, 0.45, 0.7)).endswith("NO, in 1 of 3 rounds")


def test_rounds_that_agree_are_not_counted() -> None:
    assert said(FAST, page(0.5, 0.6, 0.7)).endswith("yes")
    assert said(FAST, page(0.3, 0.4)).endswith("NO")


@pytest.mark.parametrize(("value", "met"), [(19.9, "yes"), (20.0, "yes"), (20.1, "NO")])
def test_a_goal_may_be_a_limit(value: float, met: str) -> None:
    assert said(SHORT, page(1.0, p99_ms=value)).endswith(met)


def test_a_line_has_the_goal_the_figure_and_the_unit() -> None:
    line = said(CHEAP, Figure("idle", Spread((75_000.0, 76_000.0, 79_000.0))))
    assert line.split() == ["nothing", "≤", "80,000", "µs", "76,000", "(75,000", "to", "79,000)", "yes"]


def test_what_was_not_measured_is_left_out() -> None:
    assert list(lines([Figure("another", None)], [FAST, CHEAP])) == []
    assert list(lines([Figure("a page", None)], [FAST])) == [], "a figure without what the goal asks for"
    header, *_, last = lines([page(0.6)], [FAST, SHORT, CHEAP])
    assert (header.split()[0], last) == ("goal", "2 of 2 goals met")


def test_a_goal_is_of_a_measurement_that_exists() -> None:
    assert {goal.measurement for goal in GOALS} <= MEASUREMENTS.keys()
    assert len({goal.name for goal in GOALS}) == len(GOALS)


def test_all_measurements_together_take_half_an_hour() -> None:
    assert PLANS.keys() <= MEASUREMENTS.keys()
    assert minutes(MEASUREMENTS) <= 30
