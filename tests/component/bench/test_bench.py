"""The measurements run, with tiny sizes; speed is not checked."""

import pytest
from typer.testing import CliRunner

from bench import __main__ as bench
from bench.figures import committed, compared
from bench.fixtures import Servers
from bench.goals import GOALS
from bench.harness import Figure, Spread, in_subprocess, percentile
from deploy.local.servers.kafka import RunningKafka
from deploy.local.servers.server import Running


@pytest.mark.parametrize("name", ["projector", "rebuild", "relay", "latency", "gateway", "lists", "idle"])
def test_a_measurement_runs_to_its_end(postgres: Running, kafka: RunningKafka, name: str) -> None:
    lines: list[str] = []
    on = Servers(postgres.address, kafka.address)
    figures = {one.what: one for one in bench.measure(on, [name], rounds=1, quick=True, report=lines.append)}
    header = next(number for number, line in enumerate(lines) if line.startswith(name))
    assert len(lines) > header + 2, "it reports its sizes and at least one figure"
    for goal in GOALS:
        if goal.measurement == name:
            assert goal.value_in(figures[goal.figure]), f"{goal.name}: {goal.figure} has no {goal.of}"


def test_every_measurement_is_run_by_its_name_alone() -> None:
    answer = CliRunner().invoke(bench.app, ["nothing-like-it"])
    assert answer.exit_code == 2
    assert all(name in answer.output for name in bench.MEASUREMENTS)


def test_a_short_run_tells_by_how_much_each_figure_moved() -> None:
    run = [
        Figure("a row", Spread((12.0,))),
        Figure("a page", Spread((100.0, 90.0, 400.0))),
        Figure("new", Spread((1,))),
    ]
    moved = {line[:40].strip(): line.split()[-1] for line in compared({"a row": 10.0, "a page": 200.0}, run)}
    assert (moved["a row"], moved["a page"], moved["new"]) == ("+20%", "-50%", "committed")


def test_the_committed_figures_are_of_what_a_short_run_measures() -> None:
    assert all(value > 0 for value in committed().values())
    assert set(bench.CHECKED) <= set(bench.MEASUREMENTS)


def test_a_leg_that_fails_says_why() -> None:
    async def broken() -> None:
        raise ValueError("the reason")

    with pytest.raises(RuntimeError, match="ValueError: the reason"):
        in_subprocess(broken)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([float(number) for number in range(100)], 0.99) == 99.0
