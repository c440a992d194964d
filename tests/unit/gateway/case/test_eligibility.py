"""What a student may ask for now, decided on the case's progress alone."""

from dataclasses import replace

import pytest

from schemas.events import CaseState
from services.gateway.case.progress import CaseProgress, case_progress
from services.gateway.case.submission.eligibility import (
    Eligibility,
    Obstacle,
    command_eligibility,
    submission_eligibility,
)
from services.gateway.read_model.types import SUBMIT, Command, CommandState, ReadModelUnavailable, StudentSnapshot
from tests.support.samples import case_samples
from tests.support.samples.case_samples import NOW, site

SUBMITTED = Command(case_samples.ATTEMPT, "", SUBMIT, CommandState.ASKED, NOW)
CARD = Command(case_samples.ATTEMPT, "library", "cancel-card", CommandState.ASKED, NOW)


def progress(snapshot: StudentSnapshot | ReadModelUnavailable, *commands: Command) -> CaseProgress:
    return case_progress(snapshot, commands, site(), NOW)


def card(
    snapshot: StudentSnapshot | ReadModelUnavailable, *commands: Command, name: str = "cancel-card"
) -> Eligibility:
    return command_eligibility(progress(snapshot, *commands), site().departments, "library", name)


def test_a_case_with_every_check_clear_can_be_submitted() -> None:
    assert submission_eligibility(progress(case_samples.clear())).possible


def test_open_checks_stand_in_the_way_and_are_named() -> None:
    eligibility = submission_eligibility(progress(case_samples.waiting()))
    assert eligibility.obstacle is Obstacle.OPEN_ITEMS
    assert {one.anchor for one in eligibility.open_checks} == {"archives-thesis", "dorm-check-out"}


def test_a_second_submission_is_answered_with_the_first() -> None:
    eligibility = submission_eligibility(progress(case_samples.clear(), SUBMITTED))
    assert (eligibility.obstacle, eligibility.already_requested) == (Obstacle.ALREADY_SUBMITTED, True)
    assert eligibility.earlier == SUBMITTED


def test_an_accepted_submission_stays_the_only_one() -> None:
    eligibility = submission_eligibility(progress(case_samples.completed()))
    assert (eligibility.obstacle, eligibility.earlier) == (Obstacle.ALREADY_SUBMITTED, None)


@pytest.mark.parametrize(
    ("snapshot", "obstacle"),
    [
        (ReadModelUnavailable(NOW), Obstacle.UNREADABLE),
        (StudentSnapshot(None), Obstacle.NO_OPEN_CASE),
        (StudentSnapshot(case_samples.case(CaseState.CLOSED)), Obstacle.NO_OPEN_CASE),
        (StudentSnapshot(case_samples.case(CaseState.NOT_SERVED)), Obstacle.NO_OPEN_CASE),
    ],
    ids=["read model away", "absent", "closed", "not served"],
)
def test_without_a_case_that_can_be_read_nothing_can_be_asked(
    snapshot: StudentSnapshot | ReadModelUnavailable, obstacle: Obstacle
) -> None:
    assert submission_eligibility(progress(snapshot)).obstacle is obstacle
    assert card(snapshot).obstacle is obstacle
    assert not card(snapshot).already_requested


def test_a_command_is_possible_once_the_facts_call_for_it() -> None:
    assert card(case_samples.card_open()).possible
    assert card(case_samples.clear()).obstacle is Obstacle.NOT_OFFERED


def test_a_command_under_way_is_answered_with_the_one_asked() -> None:
    eligibility = card(case_samples.card_open(), CARD)
    assert (eligibility.obstacle, eligibility.already_requested) == (Obstacle.NOT_OFFERED, True)
    assert eligibility.earlier == CARD


def test_a_refused_command_can_be_asked_again() -> None:
    assert card(case_samples.card_open(), replace(CARD, state=CommandState.REFUSED, ended_at=NOW)).possible


def test_no_command_is_possible_while_the_submission_is_being_confirmed() -> None:
    assert card(case_samples.card_open(), SUBMITTED).obstacle is Obstacle.NOT_OFFERED


def test_a_command_no_department_takes_is_named_as_such() -> None:
    assert card(case_samples.clear(), name="burn-books").obstacle is Obstacle.NO_SUCH_COMMAND
