"""What an import counts a row of the roster as, over every state before and after."""

from datetime import date

import pytest

from schemas.events import CaseState
from services.clearance.roster.cases import Case, row_effect
from services.kit.clearance_policy import ClearancePolicy
from tests.support.samples.roster_students import person

STUDENT = person("TS20260001")
OPEN, NOT_SERVED, CLOSED, COMPLETED = CaseState.OPEN, CaseState.NOT_SERVED, CaseState.CLOSED, CaseState.COMPLETED
EXPECTED = {
    (None, OPEN): "opened",
    (NOT_SERVED, OPEN): "opened",
    (CLOSED, OPEN): "opened",
    (COMPLETED, OPEN): "opened",
    (OPEN, OPEN): "changed",
    (COMPLETED, COMPLETED): "changed",
    (OPEN, NOT_SERVED): "closed",
    (None, NOT_SERVED): "not-served",
    (NOT_SERVED, NOT_SERVED): "not-served",
    (CLOSED, NOT_SERVED): "not-served",
}


@pytest.mark.parametrize(("change", "effect"), EXPECTED.items(), ids=str)
def test_a_changed_row_is_counted_by_what_became_of_the_case(
    change: tuple[CaseState | None, CaseState], effect: str
) -> None:
    before, after = change
    assert row_effect(before, Case(STUDENT, 2, after, date(2026, 6, 1)), changed=True) == effect


def test_a_repeated_row_is_unchanged_but_one_that_is_not_served_is_never_overlooked() -> None:
    for state, effect in ((OPEN, "unchanged"), (COMPLETED, "unchanged"), (NOT_SERVED, "not-served")):
        assert row_effect(state, Case(STUDENT, 2, state, date(2026, 6, 1)), changed=False) == effect


def test_only_a_served_category_that_is_configured_is_served() -> None:
    categories = [
        {"name": "毕业离校", "served": True, "words": ["毕业"]},
        {"name": "结业", "served": False, "words": ["结业离校"]},
    ]
    served = ClearancePolicy.model_validate({"leave_category": categories}).served
    found = {word: (word in served, served.recognises(word)) for word in ("毕业 ", "结业离校", "毕业了")}
    assert found == {"毕业 ": (True, True), "结业离校": (False, True), "毕业了": (False, False)}
