"""Real faults on a running installation; after each the checker looks at everything."""

from deploy.local.servers.kafka import Kafka
from tests.faults import scenarios
from tests.support.checker.history import Outcome
from tests.support.checker.observed_installation import ObservedInstallation


async def test_a_debt_at_each_step_is_refused_held_off_or_seen_as_an_exception(campus: ObservedInstallation) -> None:
    assert await scenarios.debt_at_each_step(campus) == {
        "before the hold": Outcome.OK,
        "its submission": "refused",
        "between holds": Outcome.FAILED,
        "after the last answer": Outcome.FAILED,
        "the submission": "done",
        "after the acceptance": Outcome.OK,
    }
    assert await campus.judged() == []


async def test_a_department_that_is_down_delays_a_submission_and_never_falsifies_it(
    campus: ObservedInstallation,
) -> None:
    assert set(await scenarios.department_down(campus, "dorm")) == {"done"}
    assert await campus.judged() == []


async def test_a_department_that_stands_still_in_the_middle_breaks_nothing(campus: ObservedInstallation) -> None:
    await scenarios.department_slow(campus, "archives", 4)
    assert await campus.judged() == []


async def test_answers_that_come_again_change_nothing(campus: ObservedInstallation) -> None:
    assert await scenarios.repeated_answers(campus) == ["refused", "done"]
    assert await campus.judged() == []


async def test_answers_in_another_name_decide_nothing(campus: ObservedInstallation) -> None:
    assert await scenarios.forged_answers(campus) == "open"
    assert await campus.judged() == []


async def test_an_attempt_whose_life_ends_as_its_last_answer_comes_ends_once(campus: ObservedInstallation) -> None:
    states = await scenarios.expiry_against_the_last_answer(campus, 4)
    assert set(states) <= {"done", "refused"}
    assert await campus.judged() == []


async def test_a_view_that_lags_leads_to_no_wrong_acceptance(campus: ObservedInstallation) -> None:
    states = await scenarios.view_lagging(campus, 10)
    assert states == ["done", "refused"] * (len(states) // 2), "the departments decide, whatever the view shows"
    assert await campus.judged() == []


async def test_a_broker_away_in_the_middle_loses_nothing(campus: ObservedInstallation, broker: Kafka) -> None:
    await scenarios.broker_away(campus, broker, 20)
    assert await campus.judged() == []
