"""Complete lists: declared, withdrawn, and what they say of students without a row."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from deploy.local.installation import new_student_id
from schemas.events import NO_DATA, OPEN_QUESTION, CommandAsked
from schemas.topics import Topics
from services.kit.department.changes.evidence_acts import EvidenceActs
from services.kit.department.changes.imports import department_import
from services.kit.department.changes.student_commands import StudentCommands
from services.kit.imports.spec import RowSource
from services.kit.manifests import discover
from services.kit.messaging.outbox import Wakeup
from services.kit.operations import Held
from tests.component.kit.department.evidence.conftest import Office, now
from tests.support.departments.desks import desk_over, open_case
from tests.support.imports.department import student

CLEAR = ("clear",)
ONE = "C1,2025,学费,8000.00,{paid}\n"


async def test_who_is_on_the_roster_and_on_no_list_is_unknown_and_gets_no_attestation(office: Office) -> None:
    student_id = await office.leaving()
    assert await office.verdict(student_id) == (NO_DATA,)
    assert (await office.said(student_id)).facts == {}
    assert await office.outcome(await office.ask(student_id)) == "objected"


async def test_a_request_that_overtakes_the_case_brings_the_cohort_and_a_case_that_is_known_counts(
    office: Office,
) -> None:
    await office.cover("2026")
    ahead, other, known = student(), student(), await office.leaving("2027")
    outcomes = [
        await office.outcome(await office.ask(student_id, cohort))
        for student_id, cohort in ((ahead, "2026"), (other, "2027"), (known, "2026"))
    ]
    assert outcomes == ["clear", "objected", "objected"]
    await office.leaving("2026", ahead)
    assert await office.verdict(ahead) == CLEAR
    version = "SELECT status_version FROM record WHERE student_id = $1"
    assert await office.desk.pool.fetchval(version, ahead) == 1


async def test_a_declared_list_turns_its_cohort_and_no_other_and_its_withdrawal_turns_it_back(office: Office) -> None:
    covered, other, without = [await office.leaving(cohort) for cohort in ("2026", "2027", None)]
    load = await office.cover("２０２６")
    assert load["cohort"] == "2026"
    assert [await office.verdict(one) for one in (covered, other, without)] == [CLEAR, (NO_DATA,), (NO_DATA,)]
    later = await office.leaving()
    assert await office.verdict(later) == CLEAR
    withdrawn = await office.post("/coverage/withdraw", load_id=load["load_id"], reason="名单不全")
    assert (withdrawn["withdrawn_by"], withdrawn["withdrawn_reason"]) == ("desk", "名单不全")
    await office.settle_down()
    assert [await office.verdict(one) for one in (covered, later)] == [(NO_DATA,)] * 2
    again = await office.post("/coverage/withdraw", load_id=load["load_id"], reason="又一次")
    assert again == withdrawn
    assert [one["load_id"] for one in (await office.get("/coverage"))["loads"]] == [load["load_id"]]
    assert (await office.get("/coverage", valid=True))["loads"] == []


async def test_a_list_of_everybody_covers_who_has_no_cohort_too(office: Office) -> None:
    students = [await office.leaving(cohort) for cohort in ("2026", None)]
    await office.cover("*")
    assert [await office.verdict(one) for one in students] == [CLEAR, CLEAR]


async def test_a_corrected_cohort_is_judged_by_its_own_list(office: Office) -> None:
    student_id = await office.leaving("2026")
    await office.cover("2026")
    await office.leaving("2027", student_id, version=2)
    assert await office.verdict(student_id) == (NO_DATA,)


async def test_declaring_the_same_again_finds_the_same_load(office: Office) -> None:
    as_of = now()
    load = await office.cover(as_of=as_of)
    assert await office.post("/coverage", cohort="2026", as_of=as_of.isoformat()) == load


async def test_a_list_cannot_be_complete_in_the_future_nor_for_a_check_there_is_not(office: Office) -> None:
    future = (now() + timedelta(hours=1)).isoformat()
    problem = await office.post("/coverage", 422, cohort="2026", as_of=future)
    assert problem["errors"][0]["field"] == "/as_of"
    problem = await office.post("/coverage", 422, cohort="2026", as_of=now().isoformat(), checks=["thesis"])
    assert problem["errors"][0]["field"] == "/checks"
    assert (await office.send("", covers="2026", as_of=future)).json()["errors"][0]["field"] == "query as_of"


async def test_a_row_or_act_about_the_student_needs_no_list_and_survives_its_withdrawal(office: Office) -> None:
    by_row, by_hand, by_word = [await office.leaving() for _ in range(3)]
    await office.import_file(f"{by_row},{ONE.format(paid='8000.00')}")
    charge: dict[str, Any] = {"charge_id": "C1", "year": "2025", "name": "学费", "amount": "10.00"}
    await office.post("/operations/charge", student_id=by_hand, **charge)
    await office.post("/records/nothing", student_id=by_word)
    expected = [CLEAR, ("arrears",), CLEAR]
    assert [await office.verdict(one) for one in (by_row, by_hand, by_word)] == expected
    load = await office.cover()
    await office.post("/coverage/withdraw", load_id=load["load_id"], reason="名单不全")
    await office.settle_down()
    assert [await office.verdict(one) for one in (by_row, by_hand, by_word)] == expected


async def test_nothing_on_record_is_not_said_of_somebody_with_a_charge(office: Office) -> None:
    student_id = await office.leaving()
    await office.import_file(f"{student_id},{ONE.format(paid='0')}")
    problem = await office.post("/records/nothing", 409, student_id=student_id)
    assert problem["type"].endswith("something-on-record")


async def test_a_file_covers_its_cohorts_once_its_last_row_is_done(office: Office) -> None:
    owing, absent = await office.leaving(), await office.leaving()
    job = await office.import_file(f"{owing},{ONE.format(paid='0')}", covers=["2026", "2027"])
    assert (job["covers"], job["covered"], job["students_questioned"]) == (["2026", "2027"], True, 0)
    assert [await office.verdict(one) for one in (owing, absent)] == [("arrears",), CLEAR]
    loads = (await office.get("/coverage"))["loads"]
    assert {(load["cohort"], load["job_id"], load["declared_by"]) for load in loads} == {
        ("2026", job["job_id"], "desk"),
        ("2027", job["job_id"], "desk"),
    }


async def test_a_file_with_a_row_of_nobody_or_with_no_row_covers_nobody(office: Office) -> None:
    absent = await office.leaving()
    half = await office.import_file(f"?,{ONE.format(paid='0')}", covers="2026")
    assert (half["covered"], half["rejected"], half["students_questioned"]) == (False, 1, 0)
    assert (await office.send("", covers="2026")).status_code == 422
    assert await office.verdict(absent) == (NO_DATA,)


async def test_a_file_refused_whole_never_covers_and_doubts_the_lists_before_it_until_a_later_one(
    office: Office,
) -> None:
    absent, known = await office.leaving(), await office.leaving()
    await office.post("/records/nothing", student_id=known)
    await office.cover()
    refused = await office.send(f"{absent},x\n", headings="学号,欠款说明\n", covers="2026")
    assert refused.status_code == 422
    await office.settle_down()
    assert await office.verdict(absent) == (OPEN_QUESTION,)
    assert await office.verdict(known) == ("clear",), "a record of their own does not rest on the list"
    (question,) = (await office.get("/questions"))["questions"]
    assert (question["student_id"], question["cohort"], question["opened_by"]) == (None, "2026", "desk")
    assert question["problems"]
    await office.import_file(f"{known},{ONE.format(paid='8000.00')}", covers="2026")
    assert await office.verdict(absent) == CLEAR
    assert (await office.get("/questions"))["questions"] == []
    ((closed,),) = [(await office.get("/questions", open=False))["questions"]]
    assert closed["closed_how"] == "covered"


async def test_a_withdrawal_waits_for_no_hold_and_takes_no_pass_before_the_hold_ends(office: Office) -> None:
    student_id = await office.leaving()
    load = await office.cover()
    attempt = await office.ask(student_id)
    assert await office.outcome(attempt) == "clear"
    await office.post("/coverage/withdraw", load_id=load["load_id"], reason="名单不全")
    await office.settle_down()
    assert await office.verdict(student_id) == CLEAR
    await office.release(attempt, student_id)
    await office.settle_down()
    assert await office.verdict(student_id) == (NO_DATA,)
    assert await office.outcome(await office.ask(student_id)) == "objected"


async def test_rows_of_one_batch_read_the_coverage_once_and_again_behind_a_row_that_is_held(office: Office) -> None:
    held = await office.leaving()
    await office.cover()
    assert await office.outcome(await office.ask(held)) == "clear"
    spec = department_import(office.desk, discover()["finance"])
    source = RowSource(uuid4(), "desk", datetime.now(UTC))
    row = spec.read({"student_id": held, "charge_id": "C1", "year": "2025", "name": "学费", "amount": "8"})
    async with office.desk.pool.acquire() as connection, connection.transaction():
        batch = await office.desk.begin_batch(connection, [held], together=False)
        source = replace(source, batch=batch)
        await office.desk.assess(connection, batch.records[held], batch.coverages)
        assert list(batch.coverages) == ["2026"]
        with pytest.raises(Held):
            async with connection.transaction():
                await spec.apply(connection, row, source, now())
        assert batch.coverages == {}


async def test_a_student_whom_a_list_covers_passes_once_the_card_is_cancelled_and_waits_without_the_list(
    database: str,
) -> None:
    async with desk_over(database, "library", covered=False) as desk:
        student_id, acts = new_student_id(), EvidenceActs(desk, Wakeup())
        await open_case(desk, student_id)
        load, _ = await acts.declare(cohort=None, checks=desk.rules.checks, as_of=now(), by="desk", now=now())
        event = CommandAsked(
            command_id=uuid4(), student_id=student_id, department="library", command="cancel-card", asked_at=now()
        )
        async with desk.pool.acquire() as connection, connection.transaction():
            await StudentCommands(desk, Topics("test")).handle(connection, event)
        borrowing = (await desk.read(student_id)).assessment.checks[0]
        assert (borrowing.verdict, borrowing.facts["card"]) == ("clear", "cancelled")
        await acts.withdraw(load.load_id, by="desk", reason="名单不全", now=now())
        borrowing = (await desk.read(student_id)).assessment.checks[0]
        assert [reason.code for reason in borrowing.reasons] == [NO_DATA]
