"""Real faults on a running installation; after each the checker looks at everything."""

from deploy.local.servers.kafka import Kafka
from tests.faults import scenarios
from tests.support.checker.history import Outcome
from tests.support.checker.observed_installation import ObservedInstallation


async def test_a_debt_at_each_step_is_refused_held_off_or_seen_as_an_exception(observed: ObservedInstallation) -> None:
    assert await scenarios.debt_at_each_step(observed) == {
        "before the hold": Outcome.OK,
        "its submission": "refused",
        "between holds": Outcome.FAILED,
        "after the last answer": Outcome.FAILED,
        "the submission": "done",
        "after the acceptance": Outcome.OK,
    }
    assert await observed.judged() == []


async def test_a_department_that_is_down_delays_a_submission_and_never_falsifies_it(
    observed: ObservedInstallation,
) -> None:
    assert set(await scenarios.department_down(observed, "dorm")) == {"done"}
    assert await observed.judged() == []


async def test_a_department_that_stands_still_in_the_middle_breaks_nothing(observed: ObservedInstallation) -> None:
    await scenarios.department_slow(observed, "archives", 4)
    assert await observed.judged() == []


async def test_answers_that_come_again_change_nothing(observed: ObservedInstallation) -> None:
    assert await scenarios.repeated_answers(observed) == ["refused", "done"]
    assert await observed.judged() == []


async def test_answers_in_another_name_decide_nothing(observed: ObservedInstallation) -> None:
    assert await scenarios.forged_answers(observed) == "open"
    assert await observed.judged() == []


async def test_an_attempt_whose_life_ends_as_its_last_answer_comes_ends_once(observed: ObservedInstallation) -> None:
    states = await scenarios.expiry_against_the_last_answer(observed, 4)
    assert set(states) <= {"done", "refused"}
    assert await observed.judged() == []


async def test_a_view_that_lags_leads_to_no_wrong_acceptance(observed: ObservedInstallation) -> None:
    states = await scenarios.view_lagging(observed, 10)
    assert states == ["done", "refused"] * (len(states) // 2), "the departments decide, whatever the view shows"
    assert await observed.judged() == []


async def test_a_broker_away_in_the_middle_loses_nothing(observed: ObservedInstallation, broker: Kafka) -> None:
    await scenarios.broker_away(observed, broker, 20)
    assert await observed.judged() == []
