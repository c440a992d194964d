"""What simulated desks do next: operations that the departments' own rules accept, and that lead to clear."""

from datetime import date
from random import Random
from typing import Any

import pytest

from deploy.demo import desk_simulation
from deploy.demo.desk_simulation import Call, Conditions, next_call
from deploy.demo.students import invent_students, simulated
from services.archives.operations import RULES as ARCHIVES
from services.dorm.operations import RULES as DORM
from services.finance.operations import RULES as FINANCE
from services.kit.rules.department_rules import DepartmentRules
from services.library.operations import RULES as LIBRARY

STUDENTS = simulated(invent_students(60))
TODAY = date(2026, 6, 10)
MAX_CALLS = 60


def done(rules: DepartmentRules[Any], record: Any, student_id: str, call: Call) -> Any:
    """The record after a call, as the department's desk changes it. Raises what the desk raises."""
    operation = next(each for each in rules.operations if each.name == call.operation)
    body = operation.body.model_validate({"student_id": student_id, **call.body})
    return operation.apply(record, body)[0]


@pytest.mark.parametrize("rules", [LIBRARY, ARCHIVES, DORM, FINANCE], ids=lambda rules: rules.name)
def test_a_season_without_setbacks_ends_clear_for_everybody(
    rules: DepartmentRules[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_simulation, "SETBACK", 0.0)
    random = Random(1)
    for one in STUDENTS:
        record = rules.record.model_validate(one.records[rules.name])
        for number in range(MAX_CALLS):
            call = next_call(rules.name, record.model_dump(mode="json"), Conditions(TODAY, random, f"x{number}"))
            if call is None:
                break
            changed = done(rules, record, one.student_id, call)
            assert changed != record, call.operation
            record = changed
        assert rules.assess(record).clear


@pytest.mark.parametrize("rules", [LIBRARY, ARCHIVES, DORM, FINANCE], ids=lambda rules: rules.name)
def test_every_setback_is_one_the_desk_accepts(rules: DepartmentRules[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_simulation, "SETBACK", 1.0)
    for number, one in enumerate(STUDENTS):
        record = rules.record.model_validate(one.records[rules.name])
        call = next_call(rules.name, record.model_dump(mode="json"), Conditions(TODAY, Random(number), f"x{number}"))
        if call is not None:
            assert done(rules, record, one.student_id, call) != record


def test_a_clear_record_is_left_alone_unless_something_new_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_simulation, "SETBACK", 0.0)
    clear = FINANCE.record().model_dump(mode="json")
    conditions = Conditions(TODAY, Random(1), "x")
    assert next_call("finance", clear, conditions) is None
    new = next_call("finance", clear, conditions, even_if_clear=True)
    assert new is not None
    assert new.operation == "charge"


def test_a_department_without_a_desk_simulation_is_left_alone() -> None:
    assert next_call("sports", {}, Conditions(TODAY, Random(1), "x"), even_if_clear=True) is None
