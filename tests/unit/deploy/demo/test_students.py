"""The demonstration's invented students: stable, valid wherever they are loaded, and each persona as described."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from deploy.demo.students import MAX_STUDENTS, PERSONAS, Student, invent_students, people, simulated
from deploy.local.identity.people import SITUATIONS, load_people
from schemas.events import StudentId, Verdict
from services.archives.operations import RULES as ARCHIVES
from services.clearance.roster.cases import Student as RosterStudent
from services.dorm.operations import RULES as DORM
from services.finance.operations import RULES as FINANCE
from services.kit.manifests import discover
from services.kit.rules.assessment import Assessment
from services.kit.rules.department_rules import DepartmentRules
from services.library.operations import RULES as LIBRARY

RULES: dict[str, DepartmentRules[Any]] = {"library": LIBRARY, "archives": ARCHIVES, "dorm": DORM, "finance": FINANCE}
STUDENTS = invent_students(200)


def personas(situation: str) -> list[Student]:
    found = [one for one in STUDENTS if one.situation == situation]
    assert found
    return found


def assessed(student: Student) -> dict[str, Assessment]:
    """Department → its assessment of the student's starting record."""
    return {
        name: rules.assess(rules.record.model_validate(student.records.get(name, {}))) for name, rules in RULES.items()
    }


def blocked(student: Student) -> set[tuple[str, str]]:
    return {
        (department, check.check)
        for department, assessment in assessed(student).items()
        for check in assessment.checks
        if check.verdict is Verdict.BLOCKED
    }


def test_the_same_students_are_invented_every_time_and_more_of_them_only_add_to_these() -> None:
    assert invent_students(200) == STUDENTS
    assert invent_students(40) == STUDENTS[: len(invent_students(40))]
    assert invent_students(200, seed=7) != STUDENTS


def test_as_many_students_are_on_the_roster_as_were_asked_for() -> None:
    assert sum(one.on_roster for one in STUDENTS) == 200


@pytest.mark.parametrize("count", [0, 3, MAX_STUDENTS + 1])
def test_too_few_students_for_the_personas_and_too_many_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="students"):
        invent_students(count)


def test_every_student_has_a_number_of_their_own_that_the_contract_takes() -> None:
    numbers = [one.student_id for one in STUDENTS]
    assert len(set(numbers)) == len(numbers)
    for number in numbers:
        TypeAdapter(StudentId).validate_python(number)


def test_every_line_of_the_roster_is_one_the_clearance_takes() -> None:
    for one in STUDENTS:
        assert RosterStudent.model_validate(one.roster_row()).name == one.name


def test_every_starting_record_is_one_its_department_takes() -> None:
    for one in STUDENTS:
        assert set(one.records) <= set(RULES)
        for name, record in one.records.items():
            RULES[name].record.model_validate_json(json.dumps(record))


def test_names_hold_characters_that_common_fonts_lack() -> None:
    names = "".join(one.name for one in STUDENTS)
    assert set("䶮㛃𠮷𬭚") <= set(names)


def test_the_season_begins_with_something_open_and_something_done_at_every_department() -> None:
    count = Counter((name, each.clear) for one in STUDENTS for name, each in assessed(one).items())
    for name in RULES:
        assert count[name, True] >= 5
        assert count[name, False] >= 10


def test_the_nearly_clear_lack_one_check_each_and_not_the_same() -> None:
    lacking = [blocked(one) for one in personas("nearly-clear")]
    assert [len(each) for each in lacking] == [1] * len(lacking)
    assert len(set.union(*lacking)) == len(lacking)


def test_the_one_with_arrears_owes_a_sum_that_binary_floating_point_gets_wrong() -> None:
    (owing,) = (one for one in personas("nearly-clear") if ("finance", "arrears") in blocked(one))
    assert assessed(owing)["finance"].checks[0].facts["total"] == "682.40"


def test_the_one_who_has_only_the_card_left_is_offered_its_cancel() -> None:
    (card,) = (one for one in personas("nearly-clear") if ("library", "borrowing") in blocked(one))
    assert [reason.code for reason in assessed(card)["library"].checks[0].reasons] == ["card-not-cancelled"]


def test_the_blocked_are_blocked_at_every_check() -> None:
    checks = {(name, check.check) for name, each in assessed(STUDENTS[0]).items() for check in each.checks}
    for one in personas("blocked-everywhere"):
        assert blocked(one) == checks


def test_the_clear_are_clear_everywhere() -> None:
    for one in personas("all-clear"):
        assert not blocked(one)


def test_who_never_lived_on_campus_is_clear_with_the_dormitories_for_that_reason() -> None:
    for one in personas("never-on-campus"):
        check = assessed(one)["dorm"].checks[0]
        assert (check.verdict, check.facts["resident"]) == (Verdict.CLEAR, False)


def test_those_who_finish_without_a_degree_are_on_the_roster_as_such() -> None:
    for one in personas("completion-only"):
        assert (one.leave_category, one.on_roster) == ("结业", True)


def test_who_is_not_leaving_can_sign_in_and_is_on_no_roster() -> None:
    for one in personas("off-roster"):
        assert not one.on_roster
        assert any(person.student_id == one.student_id for person in people(STUDENTS, discover()))


def test_the_simulation_is_given_no_persona_and_nobody_the_service_is_not_for() -> None:
    given = simulated(STUDENTS)
    assert len(given) > 150
    assert not {one.name for one in given} & {persona.name for persona in PERSONAS}
    assert {one.leave_category for one in given} == {"毕业离校"}


def test_the_sign_in_page_reads_the_list_of_people_and_knows_every_situation(tmp_path: Path) -> None:
    (tmp_path / "people.json").write_text(json.dumps([person.model_dump() for person in people(STUDENTS, discover())]))
    listed = load_people(tmp_path / "people.json")
    assert {one.situation for one in listed if one.situation} == set(SITUATIONS)
    assert all(one.roles == () for one in listed if one.student_id)
