"""What the measurement of cohorts reports."""

import pytest

from bench.cohorts.cohorts import PROJECTED, READS, Beside, report
from bench.goals import GOALS, lines
from bench.harness import Figure, Leg

PATHS = (PROJECTED, *READS)


def leg(rate: float) -> Leg:
    return Leg(events=1_000, took_s=1_000 / rate, cpu_s=0.01, database_s=0.01)


def sized(ours: float, limit: float) -> list[dict[str, Beside]]:
    return [{path: Beside(leg(ours), (leg(limit), leg(limit))) for path in PATHS}]


def test_a_path_may_become_slower_as_its_raw_statement_does() -> None:
    found = report([(10, sized(100, 200)), (100, sized(80, 160)), (1_000, sized(40, 100))])
    ratios = {one.what: one.ratio.median for one in found if isinstance(one, Figure) and one.ratio}
    assert ratios[f"{PROJECTED}, cohort x 10"] == pytest.approx(1.0), "0.5 of the raw statement at both sizes"
    assert ratios[f"{PROJECTED}, cohort x 100"] == pytest.approx(0.8)


def test_each_goal_of_the_cohorts_has_its_figure() -> None:
    found = report([(10, sized(100, 200)), (100, sized(100, 200)), (1_000, sized(100, 200))])
    goals = [goal for goal in GOALS if goal.measurement == "cohorts"]
    *_, last = lines([one for one in found if isinstance(one, Figure)], goals)
    assert last == f"{len(goals)} of {len(goals)} goals met"
