"""A newer act is never undone by an older word: files, rows, whole records and desk acts say when they were true."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from openpyxl.utils.datetime import from_excel

from deploy.local.installation import new_student_id
from services.kit.department.changes.requests import change_record
from services.kit.department.desk import Desk
from tests.component.kit.department.test_desk_api import CHARGE, desk_client, operate
from tests.component.kit.department.test_standing import importing
from tests.support.departments.desks import open_case
from tests.support.imports.department import NOW, Service
from tests.support.samples.import_files import workbook

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
BEFORE, AFTER = NOW - timedelta(hours=2), NOW + timedelta(hours=2)
LOAN = {"barcode": "B1", "title": "矿井通风", "due_on": "2026-06-20"}


async def act(desk: Desk[Any], number: str, name: str, as_of: datetime, **body: str) -> None:
    operation = next(one for one in desk.rules.operations if one.name == name)
    sent = operation.body.model_validate({"student_id": number, **body})
    await change_record(
        desk,
        number,
        lambda record: operation.apply(record, sent),
        now=datetime.now(UTC),
        evidence=desk.rules.evidence_of_operation(operation, sent),
        as_of=as_of,
    )


async def states(running: Service, job: dict[str, Any]) -> list[str]:
    return [row["state"] for row in (await running.get(f"/imports/{job['job_id']}/rows"))["rows"]]


async def imported(running: Service, content: str, as_of: datetime) -> dict[str, Any]:
    answer = await running.http.post(
        "/imports", params={"as_of": as_of.isoformat()}, content=content.encode(), headers={"Content-Type": "text/csv"}
    )
    assert answer.status_code == 202, answer.text
    await running.worker().work()
    job: dict[str, Any] = await running.get(answer.headers["Location"])
    return job


async def test_an_export_made_before_a_book_came_back_does_not_lend_it_again(database: str) -> None:
    async with importing(database, "library") as (running, desk):
        number = new_student_id()
        await open_case(desk, number)
        await act(desk, number, "loan", BEFORE, **LOAN)
        await act(desk, number, "return", AFTER, barcode="B1")
        file = f"学号,条码号,题名,应还日期\n{number},B1,矿井通风,2026-06-20\n{number},B2,采煤学,2026-06-20\n"
        job = await imported(running, file, NOW)
        assert await states(running, job) == ["outdated", "applied"]
        assert (job["applied"], job["outdated"], job["rejected"], job["rows_done"]) == (1, 1, 0, 2)
        (row,) = (await running.get(f"/imports/{job['job_id']}/rows", state="outdated"))["rows"]
        assert row["standing"] == "open"
        assert "这一行比已有的记录旧" in row["problems"][0]["problem"]
        assert "older than what is on record" in row["problems"][0]["problem"]
        assert [loan.barcode for loan in (await desk.read(number)).record.loans] == ["B2"]
        assert job["students_questioned"] == 0


async def test_an_export_made_before_an_approval_was_taken_back_does_not_approve_again(database: str) -> None:
    async with importing(database, "library") as (running, desk):
        number = new_student_id()
        await act(desk, number, "thesis-received", BEFORE)
        await act(desk, number, "thesis-approved", BEFORE)
        await act(desk, number, "thesis-returned", AFTER)
        job = await imported(running, f"学号,论文状态\n{number},approved\n", NOW)
        assert await states(running, job) == ["outdated"]
        assert not (await desk.read(number)).assessment.clear
        later = await imported(running, f"学号,论文状态\n{number},approved\n", AFTER)
        assert await states(running, later) == ["applied"]


async def test_a_file_that_does_not_say_when_counts_as_of_its_arrival(database: str) -> None:
    async with importing(database, "library") as (running, desk):
        number, other = new_student_id(), new_student_id()
        await act(desk, number, "thesis-received", datetime.now(UTC) + timedelta(minutes=10))
        await act(desk, other, "thesis-received", BEFORE)
        job = await running.imported(f"学号,论文状态\n{number},approved\n{other},approved\n")
        assert await states(running, job) == ["outdated", "applied"]


async def test_an_older_word_that_says_the_same_is_unchanged(database: str) -> None:
    async with importing(database, "library") as (running, desk):
        number = new_student_id()
        await act(desk, number, "thesis-received", AFTER)
        assert await states(running, await imported(running, f"学号,论文状态\n{number},submitted\n", NOW)) == [
            "unchanged"
        ]


async def test_a_word_that_changes_nothing_still_makes_older_ones_outdated(database: str) -> None:
    async with importing(database, "library") as (running, desk):
        number = new_student_id()
        await act(desk, number, "thesis-received", BEFORE)
        assert await states(running, await imported(running, f"学号,论文状态\n{number},submitted\n", AFTER)) == [
            "unchanged"
        ]
        assert await states(running, await imported(running, f"学号,论文状态\n{number},approved\n", NOW)) == [
            "outdated"
        ]


async def test_a_row_with_empty_cells_makes_nothing_outdated(database: str) -> None:
    async with importing(database, "library") as (running, desk):
        number = new_student_id()
        await open_case(desk, number)
        later = await imported(running, f"学号,论文状态,条码号,题名,应还日期\n{number},,,,\n", AFTER)
        assert await states(running, later) == ["unchanged"]
        job = await imported(running, f"学号,罚款编号,罚款金额\n{number},F1,10.00\n", NOW)
        assert await states(running, job) == ["applied"]
        assert (await desk.read(number)).record.debt == 10


async def test_of_a_row_that_is_older_in_one_item_the_others_are_applied(database: str) -> None:
    async with importing(database, "library") as (running, desk):
        number = new_student_id()
        await open_case(desk, number)
        await act(desk, number, "cancel-card", AFTER)
        file = (
            f"学号,证件状态,罚款编号,罚款金额,条码号,题名,应还日期\n{number},active,F1,10.00,B1,矿井通风,2026-06-20\n"
        )
        assert await states(running, await imported(running, file, NOW)) == ["applied"]
        found = (await desk.read(number)).record
        assert (found.card, found.debt, len(found.loans)) == ("cancelled", 10, 1)
        assert await states(running, await imported(running, file, NOW)) == ["outdated"]
        await act(desk, number, "payment", AFTER, fine_id="F1", amount="10.00")
        await act(desk, number, "return", AFTER, barcode="B1")
        assert await states(running, await imported(running, file, NOW)) == ["outdated"]
        assert (await desk.read(number)).assessment.checks[0].verdict == "clear"


async def test_a_row_that_is_older_in_one_item_is_rejected_whole_where_the_setting_says_so(database: str) -> None:
    async with importing(database, "library", reject_outdated=True) as (running, desk):
        number = new_student_id()
        await open_case(desk, number)
        await act(desk, number, "cancel-card", AFTER)
        file = f"学号,证件状态,罚款编号,罚款金额\n{number},active,F1,10.00\n"
        job = await imported(running, file, NOW)
        assert (await states(running, job), job["students_questioned"]) == (["rejected"], 1)
        assert (await desk.read(number)).record.debt == 0


async def test_each_row_may_say_when_it_was_true_in_the_universitys_time(database: str) -> None:
    async with importing(database, "library") as (running, desk):
        desk.zone = ZoneInfo("Asia/Shanghai")
        first, second, third, fourth = (new_student_id() for _ in range(4))
        for number in (first, second, third, fourth):
            await act(desk, number, "thesis-received", NOW)
        local = NOW.astimezone(desk.zone)
        at = [
            (local - timedelta(minutes=1)).strftime("%Y-%m-%d %H:%M"),
            (local + timedelta(minutes=1)).strftime("%Y/%m/%d %H:%M:%S"),
            (NOW + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            local.strftime("%Y-%m-%d"),
        ]
        lines = [f"{number},approved,{when}" for number, when in zip((first, second, third, fourth), at, strict=True)]
        job = await imported(running, "学号,论文状态,数据时间\n" + "\n".join(lines), BEFORE)
        assert await states(running, job) == ["outdated", "applied", "applied", "rejected"]
        (problem,) = (await running.rejected(job)).values()
        assert problem["field"] == "as_of"
        assert "只有日期不够" in problem["remedy"]


async def test_a_workbook_keeps_the_time_of_an_instant_also_at_midnight(database: str) -> None:
    async with importing(database, "library") as (running, desk):
        numbers = [new_student_id() for _ in range(3)]
        midnight = NOW.replace(hour=0)
        for number in numbers:
            await act(desk, number, "thesis-received", midnight)
        rows = [
            [numbers[0], "approved", midnight.replace(tzinfo=None)],
            [numbers[1], "approved", midnight.replace(tzinfo=None) - timedelta(minutes=1)],
            [numbers[2], "approved", 46178.0],
        ]
        assert midnight.date() == from_excel(46178).date()
        book = workbook(["学号", "论文状态", "数据时间"], *rows)
        assert await states(running, await running.imported(book, XLSX)) == ["applied", "outdated", "applied"]


async def test_a_row_of_the_future_is_rejected(database: str) -> None:
    async with importing(database, "library") as (running, _):
        at = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        job = await running.imported(f"学号,论文状态,数据时间\n{new_student_id()},approved,{at}\n")
        (problem,) = (await running.rejected(job)).values()
        assert problem["field"] == "as_of"
        assert "晚于现在" in problem["problem"]


async def test_an_outdated_row_is_an_open_question_where_the_setting_says_so(database: str) -> None:
    async with importing(database, "library", reject_outdated=True) as (running, desk):
        number = new_student_id()
        await open_case(desk, number)
        await act(desk, number, "thesis-received", AFTER)
        job = await imported(running, f"学号,论文状态\n{number},approved\n", NOW)
        assert (await states(running, job), job["students_questioned"]) == (["rejected"], 1)
        assert await desk.pool.fetchval("SELECT open_questions FROM record WHERE student_id = $1", number) == 1


async def test_an_older_good_row_does_not_settle_a_newer_refused_one(database: str) -> None:
    async with importing(database, "library") as (running, desk):
        number = new_student_id()
        await open_case(desk, number)
        file = "学号,条码号,题名,应还日期\n{},B1,矿井通风,{}\n"
        questions = "SELECT open_questions FROM record WHERE student_id = $1"
        assert await states(running, await imported(running, file.format(number, "soon"), AFTER)) == ["rejected"]
        assert await states(running, await imported(running, file.format(number, "2026-06-20"), NOW)) == ["applied"]
        assert await desk.pool.fetchval(questions, number) == 1
        assert await states(running, await imported(running, file.format(number, "2026-06-21"), AFTER)) == ["applied"]
        assert await desk.pool.fetchval(questions, number) == 0


async def test_an_older_whole_record_is_refused_and_a_newer_one_makes_older_rows_outdated(database: str) -> None:
    async with desk_client(database, "finance") as (desk, client):
        number = new_student_id()
        charge = {**CHARGE, "student_id": number}

        async def put(paid: str, **params: str) -> Any:
            record = {"charges": [{**charge, "paid": paid}]}
            return await client.put("/records", json={"student_id": number, "record": record}, params=params)

        assert (await put("10.00", as_of=NOW.isoformat())).status_code == 200
        older = await put("0.00", as_of=BEFORE.isoformat())
        assert (older.status_code, older.json()["type"]) == (409, "urn:lixiao:problem:outdated")
        assert "已有新的办理" in older.json()["detail"]
        assert (await put("10.00", as_of=BEFORE.isoformat())).json()["applied"] is False
        assert (await put("9.00")).json()["applied"] is True
        future = await put("0.00", as_of=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
        assert (future.status_code, future.json()["errors"][0]["field"]) == (422, "query as_of")
        audited = await desk.pool.fetch("SELECT outcome FROM audit.entry WHERE act = 'desk.replace-record' ORDER BY 1")
        assert [entry["outcome"] for entry in audited] == ["changed", "changed", "outdated", "unchanged"]


async def test_a_desk_act_may_come_later_than_it_was_done(database: str) -> None:
    async with desk_client(database, "finance") as (_, client):
        number = new_student_id()

        async def charge(key: str, as_of: datetime | None, **body: str) -> Any:
            params = {"as_of": as_of.isoformat()} if as_of else {}
            return await client.post(
                "/operations/charge",
                json={"student_id": number, **CHARGE, **body},
                params=params,
                headers={"Idempotency-Key": key},
            )

        assert (await charge("key-00000001", NOW)).status_code == 200
        assert (await charge("key-00000001", NOW)).json()["repeated"]
        assert (await charge("key-00000001", None)).status_code == 422
        assert (await charge("key-00000002", BEFORE, charge_id="C2")).status_code == 200
        paid = await operate(client, "payment", number, "key-00000003", charge_id="C1", amount="10.00")
        assert paid.status_code == 200
        body = {"student_id": number, "charge_id": "C1", "amount": "5.00"}
        late = await client.post(
            "/operations/correction",
            json=body,
            params={"as_of": AFTER.isoformat()},
            headers={"Idempotency-Key": "key-00000004"},
        )
        assert late.json()["type"] == "urn:lixiao:problem:outdated"


async def test_a_record_is_replaced_only_as_it_was_read(database: str) -> None:
    async with desk_client(database, "finance") as (_, client):
        number = new_student_id()
        record = {"charges": [{**CHARGE, "student_id": number}]}

        async def put(if_match: str | None) -> Any:
            headers = {} if if_match is None else {"If-Match": if_match}
            return await client.put("/records", json={"student_id": number, "record": record}, headers=headers)

        empty = (await client.post("/records/query", json={"student_id": number})).headers["ETag"]
        first = await put(empty)
        assert (first.status_code, first.json()["applied"]) == (200, True)
        assert first.headers["ETag"] != empty
        assert (await client.post("/records/query", json={"student_id": number})).headers["ETag"] == first.headers[
            "ETag"
        ]
        stale = await put(empty)
        assert (stale.status_code, stale.json()["type"]) == (412, "urn:lixiao:problem:record-changed")
        assert stale.headers["ETag"] == first.headers["ETag"]
        assert "请重新查询" in stale.json()["detail"]
        for matching in (first.headers["ETag"], f"{empty}, {first.headers['ETag']}", "*", None):
            assert (await put(matching)).status_code == 200
        malformed = await put("abc")
        assert (malformed.status_code, malformed.json()["errors"][0]["field"]) == (422, "header If-Match")
        assert (await put(f"W/{first.headers['ETag']}")).status_code == 412


@pytest.mark.parametrize("sent", [None, "*"])
async def test_a_service_may_demand_the_version_that_is_replaced(database: str, sent: str | None) -> None:
    async with desk_client(database, "finance", require_if_match=True) as (_, client):
        headers = {"If-Match": sent} if sent else {}
        answer = await client.put("/records", json={"student_id": new_student_id(), "record": {}}, headers=headers)
        assert answer.status_code == (200 if sent else 428)
        if not sent:
            assert answer.json()["type"] == "urn:lixiao:problem:if-match-required"
