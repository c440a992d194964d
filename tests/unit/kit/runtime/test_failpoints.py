"""Failpoints end the process where a test names it, and nowhere else."""

import asyncio
import os
import re

import pytest

from services.kit.runtime import failpoints
from services.kit.runtime.failpoints import failpoint
from tests.support.paths import ROOT

SETTLED, COMMITTED = "settle.before_commit", "consumer.after_commit"


class Ended(BaseException):
    """The process would have ended."""


@pytest.fixture
def armed(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(code: int) -> None:
        assert code == failpoints.EXIT_CODE
        raise Ended

    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(failpoints, "_path", failpoints.parse(f"{SETTLED},{COMMITTED}"))


@pytest.mark.usefixtures("armed")
async def test_a_task_ends_the_process_at_the_last_point_once_it_reached_those_before() -> None:
    async def work(*points: str) -> None:
        for point in points:
            failpoint(point)

    await asyncio.create_task(work(SETTLED, "settle.after_lock"))
    await asyncio.create_task(work(COMMITTED))
    with pytest.raises(Ended):
        await asyncio.create_task(work(SETTLED, COMMITTED))


def test_nothing_ends_without_the_variable() -> None:
    for name in failpoints.POINTS:
        failpoint(name)


def test_an_unknown_point_stops_the_process_at_its_start() -> None:
    with pytest.raises(ValueError, match="settle"):
        failpoints.parse("settle.before_comit")


def test_every_point_is_in_the_code_and_every_one_in_the_code_is_listed() -> None:
    sources = [path.read_text("utf-8") for path in (ROOT / "services").rglob("*.py")]
    placed = {name for text in sources for name in re.findall(r'failpoint\("([^"]+)"\)', text)}
    assert placed == set(failpoints.POINTS)
