"""Students against desks, on real processes, a real broker and real databases."""

from tests.support.checker.observed_installation import ObservedInstallation
from tests.support.checker.workload.races import races

RACES = 100


async def test_races_of_submissions_against_debts_break_nothing(observed: ObservedInstallation) -> None:
    await races(observed, RACES, seed=1)
    assert await observed.judged() == []
    evidence = await observed.evidence(settled=True)
    states = {attempt.state for attempt in evidence.clearance.attempts.values()}
    assert states >= {"accepted", "refused"}, "the races went both ways"
    assert any(one.open for one in evidence.clearance.exceptions)
