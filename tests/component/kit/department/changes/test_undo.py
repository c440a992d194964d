"""Taking back an operation at a desk: what it puts back, what it refuses, what the audit and the history say of it."""

import asyncio
from datetime import UTC, datetime
from typing import Any, Final

import httpx
import pytest

from deploy.local.installation import new_student_id
from services.kit.department.changes.imports import department_import
from services.kit.department.desk import Desk
from services.kit.department.retention import TABLES
from services.kit.imports.files.formats import Format
from services.kit.imports.upload import Uploads
from services.kit.imports.worker import ImportWorker
from services.kit.manifests import discover
from services.kit.messaging.outbox import Wakeup
from services.kit.retention.erasing import erase
from tests.component.kit.department.test_desk_api import CHARGE, desk_client, operate
from tests.support.departments.desks import open_case, outbox_statuses
from tests.support.waiting import eventually

REASON = "登记到了另一名学生名下"
WAITING: Final = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


async def history(client: httpx.AsyncClient, student_id: str) -> list[dict[str, Any]]:
    answer = await client.post("/records/history", json={"student_id": student_id})
    assert answer.status_code == 200, answer.text
    entries: list[dict[str, Any]] = answer.json()["entries"]
    return entries


async def undo(
    client: httpx.AsyncClient, student_id: str, entry_id: int, key: str = "undo-0000001", reason: str = REASON
) -> httpx.Response:
    body = {"student_id": student_id, "entry_id": entry_id, "reason": reason}
    return await client.post("/records/undo", json=body, headers={"Idempotency-Key": key})


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["reason"]["code"]


async def test_a_charge_is_taken_back_once_and_the_history_says_which_and_why(database: str) -> None:
    async with desk_client(database, "finance") as (desk, client):
        student_id = new_student_id()
        await open_case(desk, student_id)
        await operate(client, "charge", student_id, **CHARGE)
        (entry,) = await history(client, student_id)
        assert entry["undo"] == "offered"
        answer = await undo(client, student_id, entry["entry_id"])
        assert (answer.status_code, answer.json()["applied"], answer.json()["record"]) == (200, True, {"charges": []})
        again = await undo(client, student_id, entry["entry_id"])
        assert (again.json()["repeated"], again.json()["applied"]) == (True, True)
        other = await undo(client, student_id, entry["entry_id"], "undo-0000002")
        assert problem(other) == (409, "undo-repeated")
        refused, undone, charged = await history(client, student_id)
        assert (charged["undo"], undone["act"], undone["outcome"]) == ("undone", "desk.undo", "changed")
        assert (undone["details"]["undoes"], undone["reason"]) == (charged["entry_id"], REASON)
        assert (refused["outcome"], refused["details"]["reason"]) == ("refused", "undo-repeated")
        assert REASON not in str(undone["details"])
        causes = [one.cause.code for one in await outbox_statuses(desk) if one.student_id == student_id]
        assert causes[-2:] == ["charged", "taken-back"]


async def test_what_was_changed_again_since_is_not_taken_back_and_the_rest_of_the_record_is_no_hindrance(
    database: str,
) -> None:
    async with desk_client(database, "finance") as (_, client):
        student_id = new_student_id()
        await operate(client, "charge", student_id, "key-00000001", **CHARGE)
        await operate(client, "charge", student_id, "key-00000002", **{**CHARGE, "charge_id": "C2"})
        await operate(client, "payment", student_id, "key-00000003", charge_id="C1", amount="4.00")
        paid, second, first = await history(client, student_id)
        assert [one["undo"] for one in (paid, second, first)] == ["offered", "offered", "moved-on"]
        assert problem(await undo(client, student_id, first["entry_id"])) == (409, "undo-moved-on")
        answer = await undo(client, student_id, second["entry_id"], "undo-0000002")
        assert [one["charge_id"] for one in answer.json()["record"]["charges"]] == ["C1"]
        answer = await undo(client, student_id, paid["entry_id"], "undo-0000003")
        assert answer.json()["record"]["charges"][0]["paid"] == "0.00"
        answer = await undo(client, student_id, first["entry_id"], "undo-0000004")
        assert answer.json()["record"] == {"charges": []}


async def test_a_check_that_was_known_by_a_mistake_alone_is_unknown_again(database: str) -> None:
    async with desk_client(database, "finance", covered=False) as (_, client):
        for settle in (False, True):
            student_id = new_student_id()
            await operate(client, "charge", student_id, f"{student_id}-1", **CHARGE)
            if settle:
                await operate(client, "charge", student_id, f"{student_id}-2", **{**CHARGE, "charge_id": "C2"})
            last = (await history(client, student_id))[-1]
            answer = await undo(client, student_id, last["entry_id"], f"{student_id}-3")
            (check,) = answer.json()["checks"]
            assert check["reasons"][0]["code"] == ("arrears" if settle else "no-data")
            if settle:
                second = (await history(client, student_id))[1]
                answer = await undo(client, student_id, second["entry_id"], f"{student_id}-4")
                assert answer.json()["checks"][0]["reasons"][0]["code"] == "no-data"


async def test_what_a_whole_record_said_since_stays_known(database: str) -> None:
    async with desk_client(database, "finance", covered=False) as (_, client):
        student_id = new_student_id()
        await operate(client, "charge", student_id, f"{student_id}-1", **CHARGE)
        (charged,) = await history(client, student_id)
        charges = [{"student_id": student_id, **CHARGE, "charge_id": charge_id} for charge_id in ("C1", "C2")]
        record = {"charges": charges}
        answer = await client.put("/records", json={"student_id": student_id, "record": record})
        assert answer.status_code == 200, answer.text
        answer = await undo(client, student_id, charged["entry_id"])
        assert [one["charge_id"] for one in answer.json()["record"]["charges"]] == ["C2"]
        assert answer.json()["checks"][0]["reasons"][0]["code"] == "arrears"


async def test_what_an_operation_said_since_that_cannot_be_taken_back_stays_known(database: str) -> None:
    async with desk_client(database, "library", covered=False) as (_, client):
        student_id = new_student_id()
        await operate(client, "fine", student_id, f"{student_id}-1", fine_id="F1", amount="5.00")
        (fined,) = await history(client, student_id)
        await operate(client, "issue-card", student_id, f"{student_id}-2")
        answer = await undo(client, student_id, fined["entry_id"])
        assert answer.json()["checks"][0]["reasons"][0]["code"] == "card-not-cancelled"


async def test_a_copy_that_another_student_has_by_now_does_not_come_back(database: str) -> None:
    async with desk_client(database, "library") as (_, client):
        first, second = new_student_id(), new_student_id()
        copy = {"barcode": "B-UNDO", "title": "矿山压力", "due_on": "2026-06-20"}
        await operate(client, "loan", first, f"{first}-1", **copy)
        await client.post(
            "/operations/return-by-barcode", json={"barcode": "B-UNDO"}, headers={"Idempotency-Key": f"{first}-2"}
        )
        returned = (await history(client, first))[0]
        await operate(client, "loan", second, f"{second}-1", **copy)
        assert problem(await undo(client, first, returned["entry_id"])) == (409, "loan-elsewhere")
        lent = (await history(client, second))[0]
        assert (await undo(client, second, lent["entry_id"], f"{second}-2")).status_code == 200
        answer = await undo(client, first, returned["entry_id"], f"{first}-3")
        assert [loan["barcode"] for loan in answer.json()["record"]["loans"]] == ["B-UNDO"]


async def test_what_the_office_cannot_take_back_is_refused_and_so_is_anothers_entry(database: str) -> None:
    async with desk_client(database, "library") as (_, client):
        student_id, other = new_student_id(), new_student_id()
        await operate(client, "cancel-card", student_id, f"{student_id}-1")
        await operate(client, "issue-card", student_id, f"{student_id}-2")
        issued, cancelled = await history(client, student_id)
        assert (issued["undo"], cancelled["undo"]) == ("not-offered", "moved-on")
        assert problem(await undo(client, student_id, issued["entry_id"])) == (409, "undo-not-offered")
        answer = await undo(client, other, cancelled["entry_id"], "undo-0000002")
        assert problem(answer) == (409, "undo-not-offered")
        answer = await undo(client, student_id, issued["entry_id"], "undo-0000003", reason="看\u202e不见")
        assert answer.status_code == 422


async def test_what_was_done_is_forgotten_with_the_student(database: str) -> None:
    async with desk_client(database, "finance") as (desk, client):
        student_id = new_student_id()
        await operate(client, "charge", student_id, f"{student_id}-1", **CHARGE)
        await undo(client, student_id, (await history(client, student_id))[0]["entry_id"], f"{student_id}-2")
        async with desk.pool.acquire() as connection, connection.transaction():
            await erase(connection, TABLES, [student_id])
        kept = await desk.pool.fetchval("SELECT count(*) FROM done_operation WHERE student_id = $1", student_id)
        assert kept == 0


async def imported(desk: Desk[Any], file: str) -> None:
    spec = department_import(desk, discover()[desk.rules.name])
    await Uploads(spec, desk.pool, lambda: datetime.now(UTC)).accept(Format.CSV, file.encode(), "desk")
    assert await ImportWorker(spec, desk.pool, Wakeup()).work()


@pytest.mark.parametrize(("row", "reasons"), [("梅苑2楼,101,2026-06-01,张老师", []), ("梅苑1楼,101,,", ["no-data"])])
async def test_what_a_row_says_of_another_item_stays_known(database: str, row: str, reasons: list[str]) -> None:
    async with desk_client(database, "dorm", covered=False) as (desk, client):
        student_id = new_student_id()
        await operate(client, "assign", student_id, campus="南湖校区", building="梅苑1楼", room="101")
        await imported(desk, f"学号,校区,楼宇,房间号,退宿日期,退宿办理人\n{student_id},南湖校区,{row}\n")
        assigned = (await history(client, student_id))[-1]
        answer = await undo(client, student_id, assigned["entry_id"])
        (check,) = answer.json()["checks"]
        assert [reason["code"] for reason in check["reasons"]] == reasons


async def test_what_is_done_while_an_operation_is_taken_back_stays_known(database: str) -> None:
    async with desk_client(database, "finance", covered=False) as (desk, client):
        student_id = new_student_id()
        await operate(client, "charge", student_id, "key-00000001", **CHARGE)
        (charged,) = await history(client, student_id)

        async def waiting(desks: int) -> bool:
            return int(await desk.pool.fetchval(WAITING)) == desks

        async with desk.pool.acquire() as connection, connection.transaction():
            await desk.lock(connection, student_id)
            second = asyncio.create_task(
                operate(client, "charge", student_id, "key-00000002", **{**CHARGE, "charge_id": "C2"})
            )
            await eventually(lambda: waiting(1), what="the second desk to wait")
            undone = asyncio.create_task(undo(client, student_id, charged["entry_id"]))
            await eventually(lambda: waiting(2), what="the undo to wait behind it")
        assert (await second).status_code == 200
        answer = await undone
        assert [one["charge_id"] for one in answer.json()["record"]["charges"]] == ["C2"]
        (check,) = answer.json()["checks"]
        assert [reason["code"] for reason in check["reasons"]] == ["arrears"]


async def test_an_operation_that_answered_a_part_of_a_question_is_not_taken_back(database: str) -> None:
    async with desk_client(database, "library") as (desk, client):
        student_id = new_student_id()
        await imported(
            desk, f"学号,条码号,题名,应还日期,罚款编号,罚款金额\n{student_id},B7,采煤学,2026-06-20,F1,十元\n"
        )
        await operate(client, "loan", student_id, barcode="B7", title="采煤学", due_on="2026-06-20")
        lent = next(one for one in await history(client, student_id) if one["act"] == "desk.loan")
        assert lent["undo"] == "not-offered"
        answer = await undo(client, student_id, lent["entry_id"])
        assert problem(answer) == (409, "undo-settled-question")
