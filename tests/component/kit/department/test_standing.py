"""One student, one number: every door folds spellings, and says how the number stands on the roster."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from deploy.local.installation import new_student_id
from schemas.events import CaseState
from schemas.topics import Topics
from services.kit.department.changes.imports import department_import
from services.kit.department.desk import Desk
from services.kit.imports.spec import ImportSpec
from services.kit.manifests import discover
from services.kit.messaging.outbox import Wakeup
from tests.component.kit.department.test_desk_api import CHARGE, desk_client, operate
from tests.support.departments.desks import open_case, rules_of
from tests.support.imports.department import Service, counts, service

WIDE = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})


@asynccontextmanager
async def importing(database: str, department: str, **settings: Any) -> AsyncIterator[tuple[Service, Desk[Any]]]:
    desks: list[Desk[Any]] = []
    manifest = discover()[department]

    def spec(pool: "asyncpg.Pool[Any]") -> ImportSpec[Any]:
        desk = Desk(rules_of(department), pool, Topics("test"), Wakeup(), manifest, **settings)
        desks.append(desk)
        return department_import(desk, manifest)

    async with service(database, spec) as running:
        yield running, desks[0]


def spellings(number: str) -> list[str]:
    return [number, number.lower(), f" {number}\u3000", number.translate(WIDE), number.lower().translate(WIDE)]


async def test_a_desk_changes_and_finds_one_record_under_every_spelling(database: str) -> None:
    async with desk_client(database, "finance") as (desk, client):
        number = new_student_id()
        await open_case(desk, number)
        assert (await operate(client, "charge", number, **CHARGE)).status_code == 200
        for index, spelled in enumerate(spellings(number)):
            body = {"charge_id": "Ｃ１" if index % 2 else " c1 ", "amount": "1.00"}
            answer = await operate(client, "payment", spelled, f"key-0000000{index}x", **body)
            assert answer.status_code == 200, answer.text
            assert (answer.json()["student_id"], answer.json()["standing"]) == (number, "open")
            found = await client.post("/records/query", json={"student_id": spelled})
            assert found.json()["record"]["charges"][0]["paid"] == f"{index + 1}.00"
            record = {"charges": [{**CHARGE, "student_id": spelled, "paid": f"{index + 1}.00"}]}
            put = await client.put("/records", json={"student_id": spelled, "record": record})
            assert put.json()["student_id"] == put.json()["record"]["charges"][0]["student_id"] == number
        assert await desk.pool.fetchval("SELECT count(*) FROM record") == 1


@pytest.mark.parametrize("case", [None, *CaseState])
async def test_an_answer_says_how_the_number_stands_on_the_roster(database: str, case: CaseState | None) -> None:
    async with desk_client(database, "finance") as (desk, client):
        number = new_student_id()
        if case is not None:
            await open_case(desk, number, state=case)
        charged = await operate(client, "charge", number, **CHARGE)
        again = await operate(client, "charge", number, **CHARGE)
        found = await client.post("/records/query", json={"student_id": number})
        for answer in (charged, again, found):
            assert answer.json()["standing"] == (case.value if case else "unknown")
        assert again.json()["repeated"]


async def test_a_desk_may_refuse_numbers_that_the_roster_does_not_have(database: str) -> None:
    async with desk_client(database, "finance") as (desk, client):
        desk.refuse_unknown = True
        number = new_student_id()
        for answer in (
            await operate(client, "charge", number, **CHARGE),
            await client.put("/records", json={"student_id": number, "record": {}}),
        ):
            assert answer.status_code == 409
            assert answer.json()["reason"]["code"] == "student-unknown"
            assert answer.json()["errors"][0]["field"] == "student_id"
            assert "名册" in answer.json()["detail_zh"]
        assert await desk.pool.fetchval("SELECT count(*) FROM record") == 0
        await open_case(desk, number)
        assert (await operate(client, "charge", number, "key-00000002", **CHARGE)).status_code == 200


async def test_each_row_says_how_its_number_stands_and_unknown_ones_are_counted(database: str) -> None:
    async with importing(database, "library") as (running, desk):
        known, closed, typo = new_student_id(), new_student_id(), new_student_id()
        await open_case(desk, known)
        await open_case(desk, closed, state=CaseState.CLOSED)
        lines = [*spellings(known), closed, typo, f"{typo}1", "TS 1"]
        file = "学号,论文状态\n" + "".join(f"{line},approved\n" for line in lines)
        job = await running.imported(file)
        assert counts(job) == (4, 4, 1)
        assert job["unknown_students"] == 2
        rows = (await running.get(f"/imports/{job['job_id']}/rows"))["rows"]
        assert [row["standing"] for row in rows] == [*["open"] * 5, "closed", "unknown", "unknown", None]
        unknown = (await running.get(f"/imports/{job['job_id']}/rows", standing="unknown"))["rows"]
        assert [row["row"] for row in unknown] == [8, 9]


async def test_a_rejected_row_says_how_its_number_stands_too(database: str) -> None:
    async with importing(database, "library") as (running, desk):
        known, typo = new_student_id(), new_student_id()
        await open_case(desk, known)
        job = await running.imported(f"学号,论文状态\n{known},perhaps\n{typo},perhaps\n")
        rows = (await running.get(f"/imports/{job['job_id']}/rows"))["rows"]
        assert [(row["state"], row["standing"]) for row in rows] == [("rejected", "open"), ("rejected", "unknown")]
        assert job["unknown_students"] == 1


async def test_an_import_may_refuse_numbers_that_the_roster_does_not_have(database: str) -> None:
    async with importing(database, "library", refuse_unknown=True) as (running, desk):
        known, typo = new_student_id(), new_student_id()
        await open_case(desk, known)
        job = await running.imported(f"学号,论文状态\n{known},approved\n{typo},approved\n")
        assert (counts(job), job["unknown_students"]) == ((1, 0, 1), 1)
        (problem,) = (await running.rejected(job)).values()
        assert problem["field"] == "student_id"
        assert "名册中没有这个学号" in problem["problem"]
        assert "not on the roster" in problem["problem"]
        assert "请核对学号" in problem["remedy"]
        late = await desk.read(typo)
        assert late.record == desk.rules.record()
        assert not late.assessment.clear
        assert await desk.pool.fetchval("SELECT open_questions FROM record WHERE student_id = $1", typo) == 1


async def test_a_residence_is_closed_by_a_row_that_spells_its_place_otherwise(database: str) -> None:
    async with importing(database, "dorm") as (running, desk):
        places = [("梅苑1楼", "Ａ0307"), ("梅苑 1楼", "A0307"), ("梅苑１楼", "a0307 ")]
        for building, room in places:
            number = new_student_id()
            await open_case(desk, number)
            lived = f"学号,校区,楼宇,房间号\n{number},南湖校区,梅苑1楼,A0307\n"
            left = f"学号,校区,楼宇,房间号,退宿日期,退宿办理人\n{number},南湖校区,{building},{room},2026-06-05,周管理\n"
            assert counts(await running.imported(lived)) == (1, 0, 0)
            assert counts(await running.imported(left)) == (1, 0, 0)
            result = await desk.read(number)
            assert result.assessment.clear
            assert [(one.building, one.room) for one in result.record.residences] == [("梅苑1楼", "A0307")]
