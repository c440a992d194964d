"""Refused rows: the student waits until a good word about the same item, or a person with a reason."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from deploy.local.installation import new_student_id
from schemas.events import OPEN_QUESTION
from tests.component.kit.department.evidence.conftest import HEADINGS, Office, now
from tests.component.kit.department.test_standing import importing
from tests.support.waiting import eventually

CLEAR = ("clear",)
WAITS = (OPEN_QUESTION,)


@pytest.fixture
async def clear_student(office: Office) -> str:
    student_id = await office.leaving()
    await office.cover()
    assert await office.verdict(student_id) == CLEAR
    return student_id


def row(student_id: str, charge: str = "C1", amount: str = "8000.00", paid: str = "0", year: str = "2025") -> str:
    return f"{student_id},{charge},{year},学费,{amount},{paid}\n"


@pytest.mark.parametrize(
    "refused",
    [
        {"amount": "八千"},
        {"year": "第一学年"},
        {"amount": "-1"},
        {"charge": "=C1"},
        {"charge": "2.02E+15"},
        {"paid": "未缴"},
    ],
)
async def test_a_row_that_says_owes_and_is_refused_leaves_the_student_waiting(
    office: Office, clear_student: str, refused: dict[str, str]
) -> None:
    job = await office.import_file(row(clear_student, **refused))
    assert (job["rejected"], job["students_questioned"]) == (1, 1)
    assert await office.verdict(clear_student) == WAITS
    assert await office.outcome(await office.ask(clear_student)) == "objected"
    (question,) = (await office.get("/questions"))["questions"]
    assert (question["student_id"], question["job_id"], question["row"]) == (clear_student, job["job_id"], 2)
    assert question["problems"][0]["remedy"]


async def test_the_corrected_row_settles_its_question_and_a_row_about_something_else_does_not(
    office: Office, clear_student: str
) -> None:
    await office.import_file(row(clear_student, "C1", amount="-1"))
    await office.import_file(row(clear_student, "C2", paid="8000.00"))
    assert await office.verdict(clear_student) == WAITS
    job = await office.import_file(row(clear_student, "c1", paid="8000.00"))
    assert job["applied"] == 1
    assert await office.verdict(clear_student) == CLEAR
    (question,) = (await office.get("/questions", open=False))["questions"]
    assert (question["closed_how"], question["closed_by"]) == ("settled", "desk")


@pytest.mark.parametrize("amount", ["8000.00", "八千"])
@pytest.mark.parametrize("mistyped", ["2926-06-05 14:30", "2026-06-05"])
async def test_a_row_refused_with_an_instant_that_cannot_be_is_settled_by_the_corrected_one(
    office: Office, clear_student: str, mistyped: str, amount: str
) -> None:
    headings = HEADINGS.replace("\n", ",数据时间\n")
    refused = row(clear_student, amount=amount, paid="8000.00").strip()
    job = await office.import_file(f"{refused},{mistyped}\n", headings=headings)
    assert job["rejected"] == 1
    assert await office.verdict(clear_student) == WAITS
    exported = now() - timedelta(hours=1)
    corrected = row(clear_student, paid="8000.00").strip()
    await office.import_file(f"{corrected},{exported:%Y-%m-%dT%H:%M:%SZ}\n", headings=headings)
    assert await office.verdict(clear_student) == CLEAR


async def test_an_instant_at_the_end_of_the_calendar_refuses_its_row_alone(office: Office, clear_student: str) -> None:
    headings = HEADINGS.replace("\n", ",数据时间\n")
    endless = f"{row(clear_student, paid='8000.00').strip()},9999-12-31 23:59:59-08:00\n"
    other = await office.leaving()
    job = await office.import_file(endless + f"{row(other).strip()},\n", headings=headings)
    assert (job["applied"], job["rejected"]) == (1, 1)
    (refused,) = (await office.get(f"/imports/{job['job_id']}/rows", state="rejected"))["rows"]
    assert refused["problems"][0]["field"] == "as_of"


@pytest.mark.parametrize(
    ("department", "line", "corrected", "left_open"),
    [
        ("library", {"card": "active", "fine": "F1", "amount": "9.00"}, {"card": "active"}, 1),
        ("archives", {"state": "approved", "phone": "1"}, {"state": "approved"}, 0),
    ],
)
async def test_a_member_of_another_name_may_be_an_id_that_the_row_lacks(
    database: str, department: str, line: dict[str, str], corrected: dict[str, str], left_open: int
) -> None:
    async with importing(database, department) as (running, desk):
        running.http.headers["Authorization"] = "Bearer other" if department == "archives" else "Bearer desk"
        student_id = new_student_id()
        job = await running.imported(json.dumps({"student_id": student_id, **line}), "application/x-ndjson")
        assert job["students_questioned"] == 1
        await running.imported(json.dumps({"student_id": student_id, **corrected}), "application/x-ndjson")
        found = await desk.pool.fetchval("SELECT open_questions FROM record WHERE student_id = $1", student_id)
        assert found == left_open


async def test_a_good_row_of_the_same_file_settles_nothing(office: Office, clear_student: str) -> None:
    paid = row(clear_student, "C2", paid="8000.00")
    job = await office.import_file(paid + row(clear_student, amount="-1") + row(clear_student, paid="8000.00"))
    assert (job["applied"], job["rejected"]) == (2, 1)
    assert await office.verdict(clear_student) == WAITS
    assert await office.outcome(await office.ask(clear_student)) == "objected"


async def test_an_act_about_the_item_settles_it_and_a_replaced_record_settles_all(
    office: Office, clear_student: str
) -> None:
    await office.import_file(row(clear_student, "C1", amount="-1") + row(clear_student, "=C9"))
    charge: dict[str, Any] = {"charge_id": "C1", "year": "2025", "name": "学费", "amount": "5.00"}
    await office.post("/operations/charge", student_id=clear_student, **charge)
    assert await office.verdict(clear_student) == (OPEN_QUESTION, "arrears")
    answer = await office.http.put("/records", json={"student_id": clear_student, "record": {}})
    assert answer.status_code == 200, answer.text
    assert await office.verdict(clear_student) == CLEAR
    assert (await office.get("/questions"))["questions"] == []


async def test_a_row_whose_item_cannot_be_read_is_settled_by_a_complete_list_without_it(
    office: Office, clear_student: str
) -> None:
    await office.import_file(row(clear_student, "2.02E+15"))
    await office.import_file(row(clear_student, "C2", paid="8000.00"))
    assert await office.verdict(clear_student) == WAITS
    still = row(clear_student, "C2", paid="8000.00") + row(clear_student, "2.02E+15")
    job = await office.import_file(still, covers="2026")
    assert (job["covered"], job["students_questioned"]) == (True, 1)
    assert await office.verdict(clear_student) == WAITS
    await office.import_file(row(clear_student, "C2", paid="8000.00"), covers="2026")
    assert await office.verdict(clear_student) == CLEAR


async def test_a_person_ends_a_question_with_a_reason_once(office: Office, clear_student: str) -> None:
    await office.import_file(row(clear_student, "2.02E+15"))
    (question,) = (await office.get("/questions"))["questions"]
    number = question["question_id"]
    problem = await office.post("/questions/end", 422, question_id=number, reason=" ")
    assert problem["errors"][0]["field"] == "/reason"
    ended = await office.post("/questions/end", question_id=number, reason="误传的文件")
    assert (ended["closed_how"], ended["closed_by"], ended["closed_reason"]) == ("ended", "desk", "误传的文件")
    assert await office.verdict(clear_student) == CLEAR
    assert await office.post("/questions/end", question_id=number, reason="再次") == ended
    assert (await office.post("/questions/end", 404, question_id=999, reason="无"))["errors"]
    acts = await office.desk.pool.fetch("SELECT actor, student_id FROM audit.entry WHERE act = 'question.end'")
    assert [tuple(act) for act in acts] == [("desk", clear_student)]


async def test_a_question_about_somebody_who_is_not_leaving_yet_waits_for_their_case(office: Office) -> None:
    await office.cover()
    await office.import_file(row("TS2026999999", amount="-1"))
    await office.leaving(student_id="TS2026999999")
    assert await office.verdict("TS2026999999") == WAITS


async def test_a_row_held_back_by_a_submission_opens_no_question_and_is_applied_after_it(
    office: Office, clear_student: str
) -> None:
    attempt = await office.ask(clear_student)
    sent = await office.send(row(clear_student))
    working = asyncio.create_task(office.worker.work())

    async def waits() -> bool:
        return bool((await office.get(sent.headers["Location"]))["rows_waiting"])

    await eventually(waits, what="the row to wait")
    await office.settle_down()
    assert await office.verdict(clear_student) == CLEAR, "the hold relies on it"
    await office.release(attempt, clear_student)
    await asyncio.wait_for(working, 30)
    assert (await office.get(sent.headers["Location"]))["applied"] == 1
    assert await office.verdict(clear_student) == ("arrears",)


async def test_open_questions_are_counted_and_named_as_a_warning(office: Office, clear_student: str) -> None:
    assert await office.reassessment.warning() is None
    await office.import_file(row(clear_student, amount="-1") + row(clear_student, "C2", amount="-1"))
    warning = await office.reassessment.warning()
    assert warning is not None
    assert "2 about students, 0 about files" in warning
    assert clear_student not in warning
