"""What a list answered is open again without it: the question about a student, and that of a refused file."""

import asyncio
from uuid import UUID

from schemas.events import NO_DATA, OPEN_QUESTION
from services.kit.department.evidence import coverage, questions
from tests.component.kit.department.evidence.conftest import Office, now
from tests.support.departments.desks import is_waiting
from tests.support.waiting import eventually

PAID = "{student},C1,2025,学费,8000.00,8000.00\n"
OWES = '{student},C2,2025,住宿费,"1,200.00",0\n'
OTHER = "TS0000000001,C9,2025,学费,1.00,1.00\n"


async def test_a_question_that_a_list_answered_is_open_again_when_the_list_is_withdrawn(office: Office) -> None:
    student_id = await office.leaving()
    await office.import_file(PAID.format(student=student_id))
    await office.import_file(OWES.format(student=student_id))
    assert await office.verdict(student_id) == (OPEN_QUESTION,)
    job = await office.import_file(OTHER, covers="2026")
    assert (job["covered"], await office.verdict(student_id)) == (True, ("clear",))
    (load,) = (await office.get("/coverage"))["loads"]
    await office.post("/coverage/withdraw", load_id=load["load_id"], reason="名单不全")
    assert await office.outcome(await office.ask(student_id)) == "objected", "at once, not when the loop comes round"
    await office.settle_down()
    assert await office.verdict(student_id) == (OPEN_QUESTION,)
    (question,) = (await office.get("/questions"))["questions"]
    assert (question["student_id"], question["closed_how"], question["closed_by"]) == (student_id, None, None)
    await office.post("/questions/end", question_id=question["question_id"], reason="已核对")
    assert await office.verdict(student_id) == ("clear",)


async def test_a_refused_file_that_a_list_answered_is_in_question_again_when_the_list_is_withdrawn(
    office: Office,
) -> None:
    absent = await office.leaving()
    await office.cover()
    refused = await office.send("x,y\n", headings="学号,欠款说明\n", covers="2026")
    assert refused.status_code == 422
    await office.import_file(OTHER, covers="2026")
    assert await office.verdict(absent) == ("clear",)
    newest, _ = (await office.get("/coverage"))["loads"]
    await office.post("/coverage/withdraw", load_id=newest["load_id"], reason="名单不全")
    await office.settle_down()
    assert await office.verdict(absent) == (OPEN_QUESTION,), "the list before the refused file answers nothing"


async def test_a_file_refused_again_has_one_question_also_after_a_withdrawal(office: Office) -> None:
    async def refuse() -> None:
        assert (await office.send("x,y\n", headings="学号,欠款说明\n", covers="2026")).status_code == 422

    await refuse()
    await office.import_file(OTHER, covers="2026")
    await refuse()
    (load,) = (await office.get("/coverage"))["loads"]
    await office.post("/coverage/withdraw", load_id=load["load_id"], reason="名单不全")
    assert len((await office.get("/questions"))["questions"]) == 1


async def test_a_list_withdrawn_before_its_job_is_done_answers_nothing(office: Office) -> None:
    """As when the job's process ends between its two transactions, and the list is withdrawn before it goes on."""
    student_id, absent = await office.leaving(), await office.leaving()
    await office.import_file(PAID.format(student=student_id))
    await office.import_file(OWES.format(student=student_id))
    load = await office.cover()
    await office.post("/coverage/withdraw", load_id=load["load_id"], reason="名单不全")
    async with office.desk.pool.acquire() as connection, connection.transaction():
        load_id = UUID(load["load_id"])
        at = now()
        await questions.close_covered(connection, load_id, "2026", as_of=at, job_id=load_id, by="desk", now=at)
    await office.settle_down()
    assert await office.verdict(student_id) == (OPEN_QUESTION,)
    assert await office.verdict(absent) == (NO_DATA,)


async def test_a_file_refused_for_one_cohort_and_then_for_everybody_is_in_question_for_everybody(
    office: Office,
) -> None:
    absent = await office.leaving("2027")
    await office.cover("2027")
    for covers in ("2026", "*"):
        assert (await office.send("x,y\n", headings="学号,欠款说明\n", covers=covers)).status_code == 422
    await office.settle_down()
    assert await office.verdict(absent) == (OPEN_QUESTION,)
    (question,) = (await office.get("/questions"))["questions"]
    assert question["cohort"] is None


async def test_a_file_with_a_refused_row_of_nobody_on_the_roster_covers_nobody(office: Office) -> None:
    """The number may be a mistyped one, and its student would seem to have no row."""
    absent = await office.leaving()
    job = await office.import_file(OWES.format(student="TS0000000009"), covers="2026")
    assert (job["covered"], job["students_questioned"]) == (False, 1)
    assert await office.verdict(absent) == (NO_DATA,)


async def test_a_list_that_answers_waits_for_a_student_without_what_the_end_of_another_question_needs(
    office: Office,
) -> None:
    """A desk that holds the student's record waits for the coverage, and the end of a file's question holds that."""
    student_id = await office.leaving()
    await office.import_file(OWES.format(student=student_id))
    assert (await office.send("x,y\n", headings="学号,欠款说明\n", covers="2026")).status_code == 422
    load, at = await office.cover(), now()
    (file,) = [one for one in (await office.get("/questions"))["questions"] if one["student_id"] is None]
    load_id = UUID(load["load_id"])

    async def answer() -> None:
        async with office.desk.pool.acquire() as connection, connection.transaction():
            await questions.close_covered(connection, load_id, "2026", as_of=at, job_id=load_id, by="desk", now=at)

    async with office.desk.pool.acquire() as desk, desk.transaction():
        await office.desk.lock(desk, student_id)
        answering = asyncio.create_task(answer())
        await eventually(lambda: is_waiting(office.desk.pool), what="a list that waits for the student")
        ending = asyncio.create_task(office.acts.end_question(file["question_id"], by="desk", reason="已核对", now=at))
        await asyncio.sleep(0.2)
        await coverage.share(desk)
    await asyncio.gather(answering, ending)
    assert (await office.get("/questions"))["questions"] == []
