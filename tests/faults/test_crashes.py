"""The process ended at every failpoint: after its restart each attempt ends, no hold leaks, nothing is done twice."""

import pytest

from services.kit.runtime.failpoints import POINTS
from tests.faults.crashes import ROUNDS, crash_round
from tests.support.checker.observed_installation import ObservedInstallation


@pytest.mark.parametrize("number", range(len(ROUNDS)))
async def test_processes_that_end_at_their_worst_moment_break_nothing(
    observed: ObservedInstallation, number: int
) -> None:
    await crash_round(observed, ROUNDS[number])
    assert await observed.judged() == []


def test_every_failpoint_is_in_a_round() -> None:
    walked = {point for paths in ROUNDS for path in paths.values() for place in path for point in place.split(",")}
    # The notice service, which an installation may leave out, is killed in a system test.
    assert walked == {point for point in POINTS if not point.startswith("notice.")}
