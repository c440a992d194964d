"""Bulk import over HTTP on a real database: good rows applied, bad rows named, and no row applied twice or by half."""

import asyncio
import csv
import io
import json
import random
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import openpyxl
import pytest
from structlog.testing import capture_logs

from schemas.events import CaseChanged, CaseState
from schemas.topics import Topics
from services.kit.auth import Credentials, desk, token_sha256
from services.kit.database import Connection, migrate, open_pool
from services.kit.desk import Desk
from services.kit.health import Health
from services.kit.imports import store
from services.kit.imports.jobs import ImportWorker, Patience
from services.kit.imports.reading import Format
from services.kit.imports.routes import imports_router
from services.kit.imports.spec import ImportSpec, Outcome, department_import
from services.kit.imports.staging import Staging
from services.kit.outbox import Bell
from services.kit.web import create_app
from services.library.operations import RULES
from tests.component.import_process import COUNTED, EFFECTS, CountedRow

KIT = Path(__file__).parents[2] / "services" / "kit" / "migrations"
FOLDERS = [KIT / name for name in ("outbox", "inbox", "audit", "desk", "imports")]
NOW = datetime(2026, 6, 5, 8, 0, tzinfo=UTC)
DEADLINE_S = 60.0
TOKENS = {"desk": ["desk:library", "desk:counted"], "other": ["desk:dorm"]}
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PATIENCE = Patience(tries=3, first_delay_s=0.01, longest_delay_s=0.02)


class Service:
    """A service with one import: its HTTP side, its database, and a worker that works when it is told to."""

    def __init__(self, spec: ImportSpec[Any], pool: "asyncpg.Pool[Any]", dsn: str) -> None:
        self.spec, self.pool, self.dsn = spec, pool, dsn
        self.staging = Staging(spec, pool, lambda: NOW)
        app = create_app(
            title="test",
            version="1",
            description="",
            health=Health(),
            lifespan=None,
            routers=[imports_router(spec, pool, Bell())],
            telemetry=None,
        )
        entries = [{"name": name, "token_sha256": token_sha256(name), "roles": roles} for name, roles in TOKENS.items()]
        app.state.credentials = _credentials(entries)
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://test", headers={"Authorization": "Bearer desk"}
        )

    def worker(self, **options: Any) -> ImportWorker:
        return ImportWorker(self.spec, self.pool, Bell(), **{"patience": PATIENCE, **options})

    async def send(self, content: bytes | str, media_type: str = "text/csv", **headers: str) -> httpx.Response:
        data = content.encode() if isinstance(content, str) else content
        return await self.http.post("/imports", content=data, headers={"Content-Type": media_type, **headers})

    async def imported(self, content: bytes | str, media_type: str = "text/csv") -> dict[str, Any]:
        """The job of a file after its work is done."""
        answer = await self.send(content, media_type)
        assert answer.status_code == 202, answer.text
        await self.worker().work()
        job: dict[str, Any] = await self.get(answer.headers["Location"])
        return job

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def rejected(self, job: dict[str, Any]) -> dict[int, dict[str, str]]:
        rows = (await self.get(f"/imports/{job['job_id']}/rows", state="rejected"))["rows"]
        return {row["row"]: row["problems"][0] for row in rows}


def _credentials(entries: list[dict[str, Any]]) -> Credentials:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(entries, file)
        file.flush()
        return Credentials.load(Path(file.name))


@asynccontextmanager
async def service(dsn: str, make: Callable[["asyncpg.Pool[Any]"], ImportSpec[Any]]) -> AsyncIterator[Service]:
    await migrate(dsn, FOLDERS)
    pool = await open_pool(dsn, name="test-imports")
    running = Service(make(pool), pool, dsn)
    try:
        yield running
    finally:
        await running.http.aclose()
        await pool.close()


@pytest.fixture
async def library(database: str) -> AsyncIterator[Service]:
    def spec(pool: "asyncpg.Pool[Any]") -> ImportSpec[Any]:
        return department_import(Desk(RULES, pool, Topics("test"), Bell()), headings={"论文": "thesis", "证件": "card"})

    async with service(database, spec) as running:
        yield running


@pytest.fixture
async def counted(database: str) -> AsyncIterator[Service]:
    async with service(database, lambda pool: COUNTED) as running:
        await running.pool.execute(EFFECTS)
        yield running


def student() -> str:
    return f"TS{secrets.token_hex(5)}"


def counts(job: dict[str, Any]) -> tuple[int, int, int]:
    return job["applied"], job["unchanged"], job["rejected"]


async def until(true: Callable[[], Awaitable[bool]], *, every_s: float = 0.01, deadline_s: float = DEADLINE_S) -> None:
    async with asyncio.timeout(deadline_s):
        while not await true():  # noqa: ASYNC110 - what is waited for happens in the database
            await asyncio.sleep(every_s)


async def open_case(running: Service, student_id: str) -> None:
    case = CaseChanged(student_id=student_id, version=1, state=CaseState.OPEN, occurred_at=NOW)
    async with running.pool.acquire() as connection, connection.transaction():
        await Desk(RULES, running.pool, Topics("test"), Bell()).open(connection, case, now=NOW)


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
    assert "'approved'" in rejected[2]["remedy"]
    assert await thesis_of(library, good) == "approved"


async def test_a_refusal_of_the_departments_rules_is_a_rejected_row(library: Service) -> None:
    one = student()
    job = await library.imported(
        f"student_id,fine_id,fine_amount,fine_paid\n{one},F-1,3.50,3.50\n{one},F-1,2.00,\n{one},F-2,1.00,\n"
    )
    assert counts(job) == (2, 0, 1)
    assert (await library.rejected(job))[3] == {
        "field": "fine_amount",
        "problem": "amount below paid (paid 3.50)",
        "remedy": "Correct the amount, or send fine_paid with it.",
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
    assert counts(await library.imported(corrected)) == (0, 2, 0)


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


async def test_two_processes_sent_the_same_file_make_one_job(library: Service) -> None:
    file = ("student_id\n" + "".join(f"{student()}\n" for _ in range(3000))).encode()
    other = Staging(library.spec, library.pool, lambda: NOW)
    jobs = await asyncio.gather(*(each.take(Format.CSV, file, "desk") for each in (library.staging, other)))
    assert jobs[0].job_id == jobs[1].job_id
    assert {job.rows_total for job in jobs} == {3000}


async def test_too_many_waiting_imports_are_refused(library: Service) -> None:
    for _ in range(store.MAX_UNFINISHED):
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


async def test_progress_grows_and_a_large_file_is_applied_whole(library: Service) -> None:
    size = 20_000
    file = "学号,论文\n" + "".join(f"TS{secrets.token_hex(4)}{n},approved\n" for n in range(size))
    location = (await library.send(file)).headers["Location"]
    working = asyncio.create_task(library.worker().work())
    seen = [0]

    async def done() -> bool:
        job = await library.get(location)
        seen.append(job["rows_done"])
        return bool(job["state"] == "done")

    await until(done, every_s=0.2, deadline_s=300)
    assert await working
    assert seen == sorted(seen)
    assert len(set(seen)) > 10
    assert counts(await library.get(location)) == (size, 0, 0)
    assert await library.pool.fetchval("SELECT count(*) FROM record WHERE body->>'thesis' = 'approved'") == size


async def assert_each_exactly_once(counted: Service, students: list[str]) -> None:
    rows = await counted.pool.fetch("SELECT student_id, half FROM effect ORDER BY id")
    assert [(row["student_id"], row["half"]) for row in rows] == [
        (each, half) for each in students for half in ("first", "second")
    ]


async def test_a_worker_cancelled_at_any_await_leaves_no_row_twice_or_by_half(counted: Service) -> None:
    students = [student() for _ in range(600)]
    location = (await counted.send("student_id\n" + "\n".join(students))).headers["Location"]
    chance, cancelled = random.Random(7), 0
    while (await counted.get(location))["state"] != "done":
        working = asyncio.create_task(counted.worker(rows_at_once=7).work())
        await asyncio.wait({working}, timeout=chance.uniform(0, 0.08))
        cancelled += working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    assert cancelled > 3
    await assert_each_exactly_once(counted, students)


@pytest.mark.parametrize("written_down", [False, True])
async def test_a_worker_that_ends_while_it_writes_results_down_has_no_effect(
    counted: Service, monkeypatch: pytest.MonkeyPatch, written_down: bool
) -> None:
    students = [student() for _ in range(10)]
    location = (await counted.send("student_id\n" + "\n".join(students))).headers["Location"]
    settle = store.settle

    async def ended(*given: Any) -> None:
        if written_down:
            await settle(*given)
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(store, "settle", ended)
        with pytest.raises(asyncio.CancelledError):
            await counted.worker().work()
    assert (await counted.get(location))["rows_done"] == 0
    await assert_each_exactly_once(counted, [])
    assert await counted.worker().work()
    await assert_each_exactly_once(counted, students)


async def test_a_process_killed_in_the_middle_is_followed_by_one_that_goes_on(counted: Service) -> None:
    students = [student() for _ in range(3000)]
    location = (await counted.send("student_id\n" + "\n".join(students))).headers["Location"]

    async def half_done() -> bool:
        return bool((await counted.get(location))["rows_done"] >= 300)

    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.component.import_process", counted.dsn)
    try:
        await until(half_done)
    finally:
        process.kill()
        await process.wait()
    assert (await counted.get(location))["state"] == "running"

    async def taken_over() -> bool:
        return await counted.worker().work()

    await until(taken_over)
    assert counts(await counted.get(location)) == (3000, 0, 0)
    await assert_each_exactly_once(counted, students)


async def test_two_workers_at_once_apply_each_row_once(counted: Service) -> None:
    students = [student() for _ in range(500)]
    await counted.send("student_id\n" + "\n".join(students))
    worked = await asyncio.gather(*(counted.worker(rows_at_once=3).work() for _ in range(3)))
    assert worked.count(True) == 1
    await assert_each_exactly_once(counted, students)


async def test_jobs_are_worked_off_in_the_order_they_came_by_a_running_worker(counted: Service) -> None:
    students = [student() for _ in range(30)]
    working = asyncio.create_task(counted.worker().run())
    try:
        for start in (0, 10, 20):
            await counted.send("student_id\n" + "\n".join(students[start : start + 10]))

        async def all_done() -> bool:
            return all(job["state"] == "done" for job in (await counted.get("/imports"))["jobs"])

        await until(all_done)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    await assert_each_exactly_once(counted, students)


async def _clear_and_held(library: Service, student_id: str) -> None:
    await library.imported(f"student_id,thesis,card\n{student_id},approved,cancelled\n")
    await library.pool.execute(
        "INSERT INTO hold (attempt_id, student_id, version, placed_at) VALUES ($1, $2, 1, $3)", uuid4(), student_id, NOW
    )


async def test_a_row_refused_by_a_hold_waits_for_its_end_and_later_rows_of_the_student_with_it(
    library: Service,
) -> None:
    held, other = student(), student()
    await _clear_and_held(library, held)
    file = f"student_id,card\n{held},active\n{held},cancelled\n{other},cancelled\n"
    location = (await library.send(file)).headers["Location"]
    patience = Patience(tries=1000, first_delay_s=0.01, longest_delay_s=0.02)
    working = asyncio.create_task(library.worker(patience=patience).work())

    async def tried_twice() -> bool:
        return bool(await library.pool.fetchval("SELECT max(held_tries) >= 2 FROM import_row"))

    await until(tried_twice)
    rows = (await library.get(f"{location}/rows"))["rows"]
    assert [row["state"] for row in rows] == ["pending", "pending", "applied"]
    await library.pool.execute("DELETE FROM hold")
    assert await working
    rows = (await library.get(f"{location}/rows"))["rows"]
    assert [row["state"] for row in rows] == ["applied", "applied", "applied"]
    assert await library.pool.fetchval("SELECT body->>'card' FROM record WHERE student_id = $1", held) == "cancelled"


async def test_a_hold_that_does_not_end_rejects_the_row_with_the_reason(library: Service) -> None:
    held = student()
    await _clear_and_held(library, held)
    job = await library.imported(f"student_id,card,thesis\n{held},active,\n{held},,approved\n")
    assert counts(job) == (0, 1, 1)
    assert "submission" in (await library.rejected(job))[2]["problem"]


async def test_a_busy_database_delays_a_row_and_never_rejects_it(library: Service) -> None:
    one, tries = student(), 0
    await library.imported(f"student_id,thesis\n{one},submitted\n")
    original = library.spec.apply

    async def impatient(connection: Connection, row: Any, now: datetime) -> Outcome:
        nonlocal tries
        tries += 1
        await connection.execute("SET LOCAL lock_timeout = '20ms'")
        return await original(connection, row, now)

    object.__setattr__(library.spec, "apply", impatient)
    location = (await library.send(f"student_id,thesis\n{one},approved\n")).headers["Location"]
    working = asyncio.create_task(library.worker().work())

    async def tried_twice() -> bool:
        return tries >= 2

    async with library.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM record WHERE student_id = $1 FOR UPDATE", one)
        await until(tried_twice)
    assert await working
    assert counts(await library.get(location)) == (1, 0, 0)


async def test_a_row_the_code_fails_on_is_rejected_alone_and_undone(counted: Service) -> None:
    students = [student() for _ in range(5)]

    async def failing(connection: Connection, row: CountedRow, now: datetime) -> Outcome:
        await connection.execute("INSERT INTO effect (student_id, half) VALUES ($1, 'first')", row.student_id)
        if row.student_id == students[1]:
            raise KeyError(row.student_id)
        if row.student_id == students[2]:
            await connection.execute("SELECT 1 / 0")
        await connection.execute("INSERT INTO effect (student_id, half) VALUES ($1, 'second')", row.student_id)
        return "applied"

    spec = ImportSpec(kind="counted", row=CountedRow, headings={}, apply=failing, role=desk("counted"))
    await counted.send("student_id\n" + "\n".join(students))
    with capture_logs() as logs:
        await ImportWorker(spec, counted.pool, Bell()).work()
    assert "import.row_failed" in [line["event"] for line in logs]
    assert not any(each in str(logs) for each in students)
    (job,) = (await counted.get("/imports"))["jobs"]
    assert counts(job) == (3, 0, 2)
    assert sorted(await counted.rejected(job)) == [3, 4]
    await assert_each_exactly_once(counted, [students[0], *students[3:]])


async def test_a_finished_import_is_forgotten_after_its_time_and_an_unfinished_never(counted: Service) -> None:
    done = await counted.imported(f"student_id\n{student()}\n")
    later = datetime.now(UTC) + store.KEPT + timedelta(days=1)
    await counted.worker(clock=lambda: later).work()
    assert (await counted.get("/imports"))["jobs"] == []
    assert await counted.pool.fetchval("SELECT count(*) FROM import_row WHERE job_id = $1", done["job_id"]) == 0
