"""The measurements run, with tiny sizes; speed is not checked."""

import re

import pytest
from typer.testing import CliRunner

from bench import __main__ as bench
from bench.fixtures import Servers
from bench.harness import in_subprocess, percentile
from deploy.local.servers.obtain import RunningKafka, RunningPostgres


@pytest.mark.parametrize(
    ("name", "ends_with"),
    [
        ("projector", r"projector / plain FastStream: [\d.,]+ x .*"),
        ("relay", r"relay / naive relay: [\d.,]+ x .*"),
        ("latency", r"answered: [\d.,]+ changes/s .*"),
        ("gateway", r"twin / constant FastAPI: [\d.,]+ .*"),
    ],
)
def test_a_measurement_ends_with_its_figure(
    postgres: RunningPostgres, kafka: RunningKafka, name: str, ends_with: str
) -> None:
    lines: list[str] = []
    bench.measure(Servers(postgres.dsn, kafka.address), [name], rounds=1, quick=True, report=lines.append)
    assert re.fullmatch(ends_with, lines[-1])
    assert lines[0].endswith("GiB")


def test_every_measurement_is_run_by_its_name_alone() -> None:
    answer = CliRunner().invoke(bench.app, ["nothing-like-it"])
    assert answer.exit_code == 2
    assert all(name in answer.output for name in bench.MEASUREMENTS)


def test_a_leg_that_fails_says_why() -> None:
    async def broken() -> None:
        raise ValueError("the reason")

    with pytest.raises(RuntimeError, match="ValueError: the reason"):
        in_subprocess(broken)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([float(number) for number in range(100)], 0.99) == 99.0
