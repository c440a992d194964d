"""A preview: how a file is understood and what it would do, with nothing of it done."""

import importlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from schemas.events import CaseChanged, CaseState
from schemas.topics import Topics
from services.kit.department.changes.imports import department_import, import_headings
from services.kit.department.desk import Desk
from services.kit.imports.files.formats import Format
from services.kit.imports.preview import reading
from services.kit.imports.preview.previews import Previews
from services.kit.imports.sources.folder import FOLDER, load_sources
from services.kit.imports.spec import ImportSpec
from services.kit.manifests import SERVICES, discover
from services.kit.messaging.event_sets import Received
from services.kit.messaging.outbox import Wakeup
from tests.support.imports.department import NOW, Service, service, student

CSV = {"Content-Type": "text/csv"}


@pytest.fixture
async def desk(database: str) -> AsyncIterator["Previewed"]:
    async with previewed("library", database) as running:
        yield running


class Previewed:
    def __init__(self, running: Service, desk: Desk[Any]) -> None:
        self.service, self.desk = running, desk

    async def preview(self, content: str, **query: Any) -> dict[str, Any]:
        answer = await self.service.http.post("/imports/preview", content=content.encode(), headers=CSV, params=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def open_case(self, student_id: str) -> None:
        case = CaseChanged(
            student_id=student_id, version=1, state=CaseState.OPEN, cohort="2026", occurred_at=datetime.now(UTC)
        )
        async with self.service.pool.acquire() as connection, connection.transaction():
            await self.desk.apply_cases(connection, [Received(case)], now=NOW)

    async def stored(self) -> dict[str, str]:
        """Every table but the audit, as text."""
        tables = await self.service.pool.fetch(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1"
        )
        return {
            name: await self.service.pool.fetchval(f"SELECT coalesce(json_agg(t), '[]')::text FROM {name} AS t")
            for (name,) in tables
        }


@asynccontextmanager
async def previewed(name: str, database: str) -> AsyncIterator[Previewed]:
    rules = importlib.import_module(f"services.{name}.operations").RULES
    manifest = discover()[name]
    sources = load_sources([SERVICES / name / FOLDER], rules.import_row, import_headings(manifest, rules.import_row))
    desks: list[Desk[Any]] = []

    def spec(pool: "asyncpg.Pool[Any]") -> ImportSpec[Any]:
        desks.append(Desk(rules, pool, Topics("test"), Wakeup(), manifest))
        return department_import(desks[0], manifest, sources=sources)

    async with service(database, spec) as running:
        yield Previewed(running, desks[0])


async def test_the_rows_are_shown_as_they_are_understood_and_what_they_would_change(desk: Previewed) -> None:
    one = student()
    await desk.open_case(one)
    seen = await desk.preview(
        f"读者证号,姓名,证件状态,论文状态\n{one},林一,已注销,审核通过\n{one},林一,已注销,\n{one},林一,冻结,\n"
    )
    assert (seen["source"], seen["ignored"], seen["rows_total"], seen["rows_tried"]) == (
        "library-system",
        ["姓名"],
        3,
        3,
    )
    assert seen["columns"] == [
        {"heading": "读者证号", "fields": ["student_id"]},
        {"heading": "证件状态", "fields": ["card"]},
        {"heading": "论文状态", "fields": ["thesis"]},
    ]
    assert [row["state"] for row in seen["rows"]] == ["applied", "unchanged", "rejected"]
    assert (seen["applied"], seen["unchanged"], seen["rejected"]) == (1, 1, 1)
    first, second, third = seen["rows"]
    assert first["fields"] == {"student_id": one, "card": "cancelled", "thesis": "approved"}
    assert first["before"]["borrowing"]["reasons"][0]["code"] == "no-data"
    assert first["after"]["borrowing"]["verdict"] == first["after"]["thesis"]["verdict"] == "clear"
    assert second["before"] == second["after"] == first["after"]
    assert "已注销" in third["problems"][0]["remedy"]
    assert third["after"]["borrowing"]["reasons"][0]["code"] == "open-question"


async def test_nothing_is_written_but_the_audit_of_the_file_and_of_whom_it_showed(desk: Previewed) -> None:
    one, other = student(), student()
    await desk.open_case(one)
    await desk.service.imported(f"学号,证件状态\n{one},有效\n")
    before = await desk.stored()
    entries = await desk.service.pool.fetchval("SELECT count(*) FROM audit.entry")
    seen = await desk.preview(f"学号,证件状态\n{one},已注销\n{other},已注销\n{one},冻结\n")
    assert (seen["applied"], seen["rejected"], seen["unknown_students"]) == (2, 1, 1)
    assert [row["standing"] for row in seen["rows"]] == ["open", "unknown", "open"]
    assert await desk.stored() == before
    told = await desk.service.pool.fetch("SELECT * FROM audit.entry ORDER BY entry_id OFFSET $1", entries)
    assert {entry["act"] for entry in told} == {"import.library"}
    assert [(entry["outcome"], entry["student_id"]) for entry in told] == [
        ("previewed", None),
        *(("read", number) for number in sorted((one, other))),
    ]
    assert json.loads(told[0]["details"])["applied"] == 2


async def test_a_preview_says_what_the_import_then_does(desk: Previewed) -> None:
    known = [student() for _ in range(5)]
    rows = [f"{known[number % 5]},F-{number % 7},{number % 7}.00,1" for number in range(60)]
    rows += [f"{known[2]},F-1,9.00,9", f"{known[3]},F-2,2.00,2"]
    file = "学号,罚款编号,罚款金额,已缴金额\n" + "\n".join([*rows, f"{known[0]},F-1,-1.00,", f"{known[1]},,1.00,"])
    seen = await desk.preview(file)
    job = await desk.service.imported(file)
    assert (seen["rejected"], seen["unchanged"]) == (4, 25)
    assert {name: seen[name] for name in ("applied", "unchanged", "rejected")} == {
        name: job[name] for name in ("applied", "unchanged", "rejected")
    }


async def test_a_file_that_is_refused_whole_is_refused_and_opens_no_question(desk: Previewed) -> None:
    before = await desk.stored()
    answer = await desk.service.http.post("/imports/preview", content="学号,押金\nTS1,1\n".encode(), headers=CSV)
    assert answer.status_code == 422
    assert answer.json()["type"].endswith("wrong-headings")
    assert await desk.stored() == before


async def test_rows_beyond_the_bound_are_read_and_not_tried(desk: Previewed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_TRIED", 2)
    one = student()
    seen = await desk.preview(f"学号,证件状态\n{one},已注销\n{one},有效\n{one},已注销\n{one},冻结\n", rows=1)
    assert (seen["rows_total"], seen["rows_tried"], seen["applied"], seen["rejected"]) == (4, 2, 2, 1)
    assert [row["row"] for row in seen["rejected_rows"]] == [5]
    assert len(seen["rows"]) == 1


async def test_rows_for_which_there_is_no_time_are_not_tried(desk: Previewed) -> None:
    spec = desk.service.spec
    previews = Previews(spec, desk.service.pool, lambda: NOW, longest_s=-1)
    data = f"学号,证件状态\n{student()},已注销\n{student()},冻结\n".encode()
    seen = await previews.preview(Format.CSV, data, spec.file_columns.of(None), "desk", shown=5)
    assert [row.state for row in seen.rows] == ["not-tried", "rejected"]
    assert (seen.rows_tried, seen.applied, seen.rejected) == (0, 0, 1)


async def test_another_desk_may_not_preview(desk: Previewed) -> None:
    headers = {**CSV, "Authorization": "Bearer other"}
    answer = await desk.service.http.post("/imports/preview", content="学号\nTS1\n".encode(), headers=headers)
    assert answer.status_code == 403
