"""What the demonstration's player does next: acts that the departments' own rules take, and that lead to clear."""

from datetime import date
from random import Random
from typing import Any

import pytest

from deploy.demo import desk_simulation
from deploy.demo.desk_simulation import Act, Moment, next_act
from deploy.demo.students import cohort, left_to_the_player
from services.archives.operations import RULES as ARCHIVES
from services.dorm.operations import RULES as DORM
from services.finance.operations import RULES as FINANCE
from services.kit.department.rules import DepartmentRules
from services.library.operations import RULES as LIBRARY

STUDENTS = left_to_the_player(cohort(60))
TODAY = date(2026, 6, 10)
MOST_ACTS = 60


def done(rules: DepartmentRules[Any], record: Any, student_id: str, act: Act) -> Any:
    """The record after an act, as the department's desk does it. Raises what the desk raises."""
    operation = next(each for each in rules.operations if each.name == act.operation)
    body = operation.body.model_validate({"student_id": student_id, **act.body})
    return operation.apply(record, body)[0]


@pytest.mark.parametrize("rules", [LIBRARY, ARCHIVES, DORM, FINANCE], ids=lambda rules: rules.name)
def test_a_season_without_setbacks_ends_clear_for_everybody(
    rules: DepartmentRules[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_simulation, "SETBACK", 0.0)
    random = Random(1)
    for one in STUDENTS:
        record = rules.record.model_validate(one.records[rules.name])
        for number in range(MOST_ACTS):
            act = next_act(rules.name, record.model_dump(mode="json"), Moment(TODAY, random, f"x{number}"))
            if act is None:
                break
            changed = done(rules, record, one.student_id, act)
            assert changed != record, act.operation
            record = changed
        assert rules.assess(record).clear


@pytest.mark.parametrize("rules", [LIBRARY, ARCHIVES, DORM, FINANCE], ids=lambda rules: rules.name)
def test_every_setback_is_one_the_desk_takes(rules: DepartmentRules[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_simulation, "SETBACK", 1.0)
    for number, one in enumerate(STUDENTS):
        record = rules.record.model_validate(one.records[rules.name])
        act = next_act(rules.name, record.model_dump(mode="json"), Moment(TODAY, Random(number), f"x{number}"))
        if act is not None:
            assert done(rules, record, one.student_id, act) != record


def test_a_clear_record_is_left_alone_unless_something_new_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_simulation, "SETBACK", 0.0)
    clear = FINANCE.record().model_dump(mode="json")
    moment = Moment(TODAY, Random(1), "x")
    assert next_act("finance", clear, moment) is None
    new = next_act("finance", clear, moment, even_if_clear=True)
    assert new is not None
    assert new.operation == "charge"


def test_a_department_nobody_wrote_down_habits_for_is_left_alone() -> None:
    assert next_act("sports", {}, Moment(TODAY, Random(1), "x"), even_if_clear=True) is None
