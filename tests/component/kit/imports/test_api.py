"""Files sent to a department: what is taken, what is refused, what is answered for each row."""

import asyncio
import csv
import io
from typing import Any
from uuid import uuid4

import openpyxl
import pytest

from schemas.events import CaseChanged, CaseState
from schemas.topics import Topics
from services.kit.department.desk import Desk
from services.kit.imports import job_store
from services.kit.imports.files.formats import Format
from services.kit.imports.upload import Uploads
from services.kit.manifests import discover
from services.kit.messaging.event_sets import Received
from services.kit.messaging.outbox import Wakeup
from services.library.operations import RULES
from tests.support.imports.department import NOW, Service, counts, student

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


async def open_case(running: Service, student_id: str) -> None:
    case = CaseChanged(student_id=student_id, version=1, state=CaseState.OPEN, occurred_at=NOW)
    async with running.pool.acquire() as connection, connection.transaction():
        await Desk(RULES, running.pool, Topics("test"), Wakeup(), discover()[RULES.name]).apply_cases(
            connection, [Received(case)], now=NOW
        )


async def thesis_of(running: Service, student_id: str) -> str | None:
    found: str | None = await running.pool.fetchval(
        "SELECT body->>'thesis' FROM record WHERE student_id = $1", student_id
    )
    return found


def as_workbook(rows: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


async def test_each_format_is_applied_and_the_same_again_changes_nothing(library: Service) -> None:
    first, second = student(), student()
    files = [
        (f"学号,论文\n{first},approved\n{second},submitted\n".encode("gb18030"), "text/csv"),
        (f'{{"学号":"{first}","thesis":"approved"}}\n{{"student_id":"{second}"}}'.encode(), "application/x-ndjson"),
        (as_workbook([["学号", "论文"], [first, "approved"], [second, "submitted"]]), XLSX),
    ]
    assert [counts(await library.imported(*file)) for file in files] == [(2, 0, 0), (0, 2, 0), (0, 2, 0)]
    assert await thesis_of(library, first) == "approved"


async def test_a_form_with_a_file_is_taken_and_the_answer_says_where_to_look(library: Service) -> None:
    rows = f"student_id,card\n{student()},cancelled\n".encode()
    answer = await library.http.post("/imports", files={"file": ("名单.csv", rows, "application/vnd.ms-excel")})
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["Location"] == f"/imports/{job['job_id']}"
    assert (job["state"], job["rows_total"], job["rows_done"]) == ("queued", 1, 0)
    assert (job["started_at"], job["finished_at"]) == (None, None)
    await library.worker().work()
    job = await library.get(answer.headers["Location"])
    assert (job["state"], job["rows_done"], job["applied"]) == ("done", 1, 1)
    assert job["started_at"] <= job["finished_at"]


async def test_a_file_larger_than_other_bodies_may_be_is_taken_in_both_ways(library: Service) -> None:
    for form in (False, True):
        rows = ("student_id,loan_title\n" + "".join(f"{student()},{'a' * 1000}\n" for _ in range(2_500))).encode()
        answer = await (library.http.post("/imports", files={"file": ("a.csv", rows)}) if form else library.send(rows))
        assert (answer.status_code, answer.json()["rows_total"]) == (202, 2_500)


async def test_bad_rows_are_named_with_the_reason_and_good_ones_applied(library: Service) -> None:
    good = student()
    job = await library.imported(
        "student_id,thesis,fine_id,fine_amount,fine_paid\n"
        f"{student()},finished,,,\n"
        f"{good},approved,,,\n"
        ",approved,,,\n"
        f"{student()},=1+1,,,\n"
        f"{student()},,F-1,-5,\n"
        "not a number,,,,\n"
    )
    assert counts(job) == (1, 0, 5)
    rejected = await library.rejected(job)
    assert {row: problem["field"] for row, problem in rejected.items()} == {
        2: "thesis",
        4: "student_id",
        5: "thesis",
        6: "fine_amount",
        7: "student_id",
    }
    assert all(problem["problem"] and problem["remedy"] for problem in rejected.values())
    assert "approved" in rejected[2]["remedy"]
    assert await thesis_of(library, good) == "approved"


async def test_a_refusal_of_the_departments_rules_is_a_rejected_row(library: Service) -> None:
    one = student()
    job = await library.imported(
        f"student_id,fine_id,fine_amount,fine_paid\n{one},F-1,3.50,3.50\n{one},F-1,-2.00,\n{one},F-2,1.00,\n"
    )
    assert counts(job) == (2, 0, 1)
    assert (await library.rejected(job))[3] == {
        "field": "fine_amount",
        "problem": "金额不能为负数：无法判断是已退费、待退费还是减免。请删去此行，在原罚款一行填写罚款金额和已缴总额。 "
        "An amount below zero does not say whether it is a refund paid, a credit or a waiver. "
        "Leave this row out, and state the amount and the total paid in the row of the fine it belongs to.",
        "remedy": "请删去此行，在所属项目的那一行填写应缴金额和已缴总额。 "
        "Leave this row out, and send the row of the item it belongs to with its own amount and total paid.",
    }


async def test_every_applied_row_of_a_leaving_student_tells_of_it_once(library: Service) -> None:
    one = student()
    await open_case(library, one)
    file = f"student_id,thesis\n{one},submitted\n{one},approved\n{one},approved\n"
    assert counts(await library.imported(file)) == (2, 1, 0)
    assert await library.pool.fetchval("SELECT count(*) FROM outbox WHERE key = $1", one.encode()) == 3
    assert await library.pool.fetchval("SELECT status_version FROM record WHERE student_id = $1", one) == 3


async def test_what_is_kept_of_rows_that_are_done_is_only_what_is_needed(library: Service) -> None:
    job = await library.imported(f"student_id,thesis\n{student()},approved\n{student()},bad\n")
    kept = await library.pool.fetch("SELECT state, cells FROM import_row WHERE job_id = $1", job["job_id"])
    assert {row["state"]: row["cells"] is not None for row in kept} == {"applied": False, "rejected": True}


async def test_the_rejected_rows_can_be_exported_corrected_and_sent_again(library: Service) -> None:
    one, two = student(), student()
    job = await library.imported(f"student_id,loan_title,thesis\n{one},=HYPERLINK(1),\n{two},,-1\n{two},,approved\n")
    answer = await library.http.get(f"/imports/{job['job_id']}/rows.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [(row["student_id"], row["import_row"]) for row in rows] == [(one, "2"), (two, "3")]
    assert rows[0]["loan_title"] == "'=HYPERLINK(1)"
    assert all(row["import_problem"] and row["import_remedy"] for row in rows)
    corrected = answer.content.decode().replace("'=HYPERLINK(1)", "").replace(",-1,", ",approved,")
    assert counts(await library.imported(corrected)) == (1, 1, 0), "the thesis row ends the question of the refused one"


async def test_results_and_jobs_come_in_pages(library: Service) -> None:
    files = [f"student_id\n{student()}\n{student()}\n{student()}\n" for _ in range(3)]
    sent = [(await library.imported(file))["job_id"] for file in files]
    page = await library.get("/imports", limit=2)
    assert [job["job_id"] for job in page["jobs"]] == [sent[2], sent[1]]
    page = await library.get("/imports", limit=2, before=page["next_before"])
    assert ([job["job_id"] for job in page["jobs"]], page["next_before"]) == ([sent[0]], None)
    rows = await library.get(f"/imports/{sent[0]}/rows", limit=2)
    assert ([row["row"] for row in rows["rows"]], rows["next_after"]) == ([2, 3], 3)
    rows = await library.get(f"/imports/{sent[0]}/rows", limit=2, after=3)
    assert ([row["row"] for row in rows["rows"]], rows["next_after"]) == ([4], None)


async def test_the_same_file_while_it_waits_is_the_same_job_and_later_a_new_harmless_one(library: Service) -> None:
    file = f"student_id,thesis\n{student()},approved\n"
    answers = await asyncio.gather(*(library.send(file) for _ in range(4)))
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    await library.worker().work()
    again = await library.imported(file)
    assert again["job_id"] != answers[0].json()["job_id"]
    assert counts(again) == (0, 1, 0)


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ({"as_of": "2026-06-04T08:00:00Z"}, {"as_of": "2026-06-05T08:00:00Z"}),
        ({"as_of": "2026-06-04T08:00:00Z"}, {}),
        ({}, {"as_of": "2026-06-04T08:00:00Z"}),
        ({"covers": "2026", "as_of": "2026-06-04T08:00:00Z"}, {"covers": "2026"}),
        ({"covers": "2026"}, {"covers": "2027"}),
    ],
)
async def test_the_same_file_with_other_options_while_it_waits_is_refused(
    library: Service, first: dict[str, str], again: dict[str, str]
) -> None:
    content = f"student_id,thesis\n{student()},approved\n"

    async def send(options: dict[str, str]) -> int:
        headers = {"Content-Type": "text/csv"}
        return (await library.http.post("/imports", params=options, content=content, headers=headers)).status_code

    assert [await send(options) for options in (first, first, again)] == [202, 202, 409]
    await library.worker().work()
    assert await send(again) == 202


async def test_two_processes_sent_the_same_file_make_one_job(library: Service) -> None:
    file = ("student_id\n" + "".join(f"{student()}\n" for _ in range(3000))).encode()
    other = Uploads(library.spec, library.pool, lambda: NOW)
    jobs = await asyncio.gather(*(each.accept(Format.CSV, file, "desk") for each in (library.uploads, other)))
    assert jobs[0].job_id == jobs[1].job_id
    assert {job.rows_total for job in jobs} == {3000}


async def test_too_many_waiting_imports_are_refused(library: Service) -> None:
    for _ in range(job_store.MAX_UNFINISHED):
        assert (await library.send(f"student_id\n{student()}\n")).status_code == 202
    answer = await library.send(f"student_id\n{student()}\n")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "30")


NO_FILE = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x--\r\n"


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"", "text/csv", 422),
        (b"student_id,phone\nTS1001,1\n", "text/csv", 422),
        (b"card\nactive\n", "text/csv", 422),
        (b"student_id\nTS\x001\n", "text/csv", 422),
        (b"student_id\n\xff\xff\n", "text/csv", 422),
        (b"student_id\nTS1001\n", XLSX, 422),
        (b"PK\x03\x04 but no zip", XLSX, 422),
        (b'{"student_id": "\xff"}', "application/x-ndjson", 422),
        (b"student_id\nTS1001\n", "application/pdf", 415),
        (b"student_id\nTS1001\n", "", 415),
        (b"no form", "multipart/form-data; boundary=x", 400),
        (b"no form", "multipart/form-data", 400),
        (NO_FILE, "multipart/form-data; boundary=x", 422),
        (b"student_id\n" + b"TS1001\n" * 200_001, "text/csv", 413),
        (b"a" * (21 * 1024 * 1024), "text/csv", 413),
    ],
)  # fmt: skip
async def test_a_file_that_cannot_be_read_is_a_problem_with_a_remedy_and_leaves_nothing(
    library: Service, content: bytes, media_type: str, status: int
) -> None:
    answer = await library.send(content, media_type)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert await library.pool.fetchval("SELECT count(*) FROM import_job") == 0
    assert await library.pool.fetchval("SELECT count(*) FROM import_row") == 0


async def test_unknown_columns_are_named_with_the_known_ones(library: Service) -> None:
    problem = (await library.send("学号,电话\nTS1001,1\n")).json()
    assert "电话" in problem["errors"][0]["problem"]
    assert "student_id (学号" in problem["errors"][0]["remedy"]


async def test_only_the_departments_desk_may_import_and_look(library: Service) -> None:
    job = (await library.send(f"student_id\n{student()}\n")).json()["job_id"]
    for path in ("/imports", f"/imports/{job}", f"/imports/{job}/rows", f"/imports/{job}/rows.csv"):
        for token, status in (("other", 403), ("nobody", 401)):
            answer = await library.http.get(path, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == status
    assert (await library.send("x", Authorization="Bearer other")).status_code == 403


@pytest.mark.parametrize("path", ["", "/rows", "/rows.csv"])
async def test_an_import_that_does_not_exist_is_not_found(library: Service, path: str) -> None:
    assert (await library.http.get(f"/imports/{uuid4()}{path}")).status_code == 404
    assert (await library.http.get(f"/imports/none{path}")).status_code == 422
