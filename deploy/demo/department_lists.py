"""The starting records as each department's own system exports them: a file of rows. Pure."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

from deploy.demo.desk_simulation import Call
from deploy.demo.students import Student

Row = dict[str, Any]
Record = Mapping[str, Any]


def list_rows(department: str, students: Sequence[Student]) -> list[Row]:
    """Who is not in it has nothing there; empty for a department that has no starting records."""
    rows_of = ROWS.get(department)
    if rows_of is None:
        return []
    return [
        {"student_id": one.student_id, **row}
        for one in students
        if department in one.records
        for row in rows_of(one.records[department])
    ]


def list_csv(rows: Sequence[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def calls_after(department: str, student: Student) -> list[Call]:
    """What no row of the department says, and its desk enters by hand."""
    violations = student.records.get(department, {}).get("violations", ())
    return [Call("violation", violation) for violation in violations]


def _library(record: Record) -> list[Row]:
    """A row holds at most one loan and one fine."""
    state = {"card": record.get("card", "active"), "thesis": record.get("thesis", "none")}
    loans = [{f"loan_{name}": value for name, value in loan.items()} for loan in record.get("loans", ())]
    fines = [
        {"fine_id": fine["fine_id"], "fine_amount": fine["amount"], "fine_paid": fine["paid"]}
        for fine in record.get("fines", ())
    ]
    lines: list[tuple[Row, Row]] = list(zip_longest(loans, fines, fillvalue={}))
    return [{**state, **loan, **fine} for loan, fine in lines or [({}, {})]]


def _archives(record: Record) -> list[Row]:
    return [] if record["thesis"] == "empty" else [{"state": record["thesis"]}]


def _dorm(record: Record) -> list[Row]:
    return [dict(residence) for residence in record["residences"]]


def _finance(record: Record) -> list[Row]:
    """A charge is booked under the student of its row."""
    return [{name: value for name, value in charge.items() if name != "student_id"} for charge in record["charges"]]


ROWS: Final[dict[str, Callable[[Record], list[Row]]]] = {
    "library": _library,
    "archives": _archives,
    "dorm": _dorm,
    "finance": _finance,
}
