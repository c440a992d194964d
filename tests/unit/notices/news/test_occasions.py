"""Occasions and their ids."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from schemas.events import CaseState, CheckStatus, Reason, StatusChanged, SubmissionAccepted, SubmissionRefused, Verdict
from services.notices.news.occasions import Kind, of_end, of_turns
from services.notices.news.turns import LineState, Turn

NOW = datetime(2026, 6, 10, 8, 30, tzinfo=UTC)
TURN = Turn("arrears", LineState.CLEAR, LineState.BLOCKED)


def status(version: int = 2, student_id: str = "TS20260001") -> StatusChanged:
    checks = (CheckStatus(check="arrears", verdict=Verdict.CLEAR),)
    return StatusChanged(
        student_id=student_id,
        department="finance",
        version=version,
        occurred_at=NOW,
        cause=Reason(code="paid"),
        checks=checks,
    )


def ids(event: StatusChanged, state: CaseState | None = CaseState.OPEN) -> set[UUID]:
    return {one.occasion_id for one in of_turns(event, [TURN], state)}


def test_an_occasion_has_one_id_however_often_its_event_is_read_and_in_whatever_state_the_case_is() -> None:
    assert ids(status()) == ids(status()) == ids(status(), CaseState.COMPLETED) == ids(status(), None)
    assert ids(status()) != ids(status(version=3))
    assert ids(status()) != ids(status(student_id="TS20260002"))


@pytest.mark.parametrize(
    ("state", "kinds"),
    [
        (None, [Kind.LINE]),
        (CaseState.OPEN, [Kind.LINE]),
        (CaseState.COMPLETED, [Kind.AFTERWARDS]),
        (CaseState.CLOSED, []),
        (CaseState.NOT_SERVED, []),
    ],
)
def test_whether_a_turned_line_is_an_occasion_is_the_cases_state(state: CaseState | None, kinds: list[Kind]) -> None:
    assert [one.kind for one in of_turns(status(), [TURN], state)] == kinds


def test_an_attempt_ends_once() -> None:
    attempt = uuid4()
    accepted = SubmissionAccepted(attempt_id=attempt, student_id="TS20260001", form_number="LX1", accepted_at=NOW)
    refused = SubmissionRefused(
        attempt_id=attempt, student_id="TS20260001", cause="expired", refused_at=NOW + timedelta(minutes=1)
    )
    assert of_end(accepted).kind is Kind.ACCEPTED
    assert of_end(refused).kind is Kind.REFUSED
    assert of_end(accepted).occasion_id == of_end(refused).occasion_id
    assert of_end(accepted).number < of_end(refused).number
