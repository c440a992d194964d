"""The demonstration's exports say the same as the starting records, through each department's own import."""

import csv
import io
from importlib import import_module
from typing import Any

import pytest

from deploy.demo.department_lists import calls_after, list_csv, list_rows
from deploy.demo.students import Student, invent_students
from services.kit.manifests import discover
from services.kit.rules.department_rules import DepartmentRules

STUDENTS = invent_students(400)
DEPARTMENTS = sorted(discover())


def imported(department: str, students: tuple[Student, ...]) -> dict[str, Any]:
    """The records after the file, by student."""
    rules: DepartmentRules[Any] = import_module(f"services.{department}.operations").RULES
    operations = {one.name: one for one in rules.operations}
    records: dict[str, Any] = {one.student_id: rules.record() for one in students}
    for cells in csv.DictReader(io.StringIO(list_csv(list_rows(department, students)).decode())):
        row = rules.import_row.model_validate(cells)
        records[row.student_id] = rules.apply_row(records[row.student_id], row)
    for one in students:
        for call in calls_after(department, one):
            operation = operations[call.operation]
            body = operation.body.model_validate({"student_id": one.student_id, **call.body})
            records[one.student_id], _ = operation.apply(records[one.student_id], body)
    return records


@pytest.mark.parametrize("department", DEPARTMENTS)
def test_the_list_and_what_the_desk_enters_after_it_make_the_starting_records(department: str) -> None:
    rules: DepartmentRules[Any] = import_module(f"services.{department}.operations").RULES
    expected = {one.student_id: rules.record.model_validate(one.records.get(department, {})) for one in STUDENTS}
    assert imported(department, STUDENTS) == expected


@pytest.mark.parametrize("department", ["dorm", "finance", "archives"])
def test_some_students_have_no_row_and_are_known_by_the_list_alone(department: str) -> None:
    named = {row["student_id"] for row in list_rows(department, STUDENTS)}
    assert 0 < len(named) < len(STUDENTS)


def test_a_department_without_starting_records_has_an_empty_list() -> None:
    assert list_rows("sports", STUDENTS) == []
