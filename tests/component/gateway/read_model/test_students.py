"""Whoever has more than a case and statuses is read as ever; whoever has not, by a statement that looks for no more."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from deploy.local.installation import new_student_id
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.gateway.read_model import students
from services.gateway.read_model.student_statements import STUDENTS, STUDENTS_WITHOUT_MORE
from services.gateway.read_model.students import ReadModel, ReadModelError
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import open_pool
from services.kit.rules.waivers import Waiver, WaiverKind
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.servers.fixtures import DatabaseMaker

EXEMPTION = Waiver(
    department="finance", check="arrears", kind=WaiverKind.NOT_APPLICABLE, reason="从未收费", until=date(2099, 7, 1)
)
_OPENED = """
INSERT INTO attempt (attempt_id, student_id, state, required, opened_at, expires_at)
VALUES ($2, $1, 'open', '{library}', now(), now() + interval '10 min')
"""


@dataclass
class Published:
    pool: "asyncpg.Pool[Any]"
    clearance: ReadModelWriter
    read_model: ReadModel

    async def student(self) -> str:
        student = new_student_id()
        await self.clearance.put_case(student)
        await self.clearance.all_clear(student)
        return student

    async def rows(self, statement: str, *students: str) -> list[dict[str, Any]]:
        return [dict(row) for row in await self.pool.fetch(statement, students)]

    async def read(self, student: str) -> list[dict[str, Any]]:
        rows = await self.read_model.rows_of(student)
        assert rows.own is not None
        return sorted(map(dict, (rows.own, *rows.former)), key=lambda row: str(row["student_id"]))


@pytest.fixture
async def published(make_database: DatabaseMaker) -> AsyncIterator[Published]:
    dsn = await make_database("clearance")
    await migrate(dsn, CLEARANCE_FOLDERS)
    async with await open_pool(dsn, name="gateway", by_key=True) as pool:
        yield Published(pool, ReadModelWriter(dsn), ReadModel(pool))


async def _attempt(published: Published, student: str) -> None:
    await published.pool.execute(_OPENED, student, uuid4())


async def _form(published: Published, student: str) -> None:
    await published.clearance.accept(student, f"LX-{student[-8:]}", "ABCD-EFGH", "qr")


async def _exemption(published: Published, student: str) -> None:
    await published.clearance.exempt(student, EXEMPTION)


async def _former_number(published: Published, student: str) -> None:
    await published.clearance.join(student, former := new_student_id())
    await published.clearance.all_clear(former)


MORE: dict[str, Callable[[Published, str], Awaitable[None]]] = {
    "an attempt": _attempt,
    "a form": _form,
    "an exemption": _exemption,
    "a former number": _former_number,
}


async def test_both_statements_give_the_same_row_of_a_student_without_more(published: Published) -> None:
    student, unknown = await published.student(), new_student_id()
    (whole,) = await published.rows(STUDENTS, student)
    assert await published.rows(STUDENTS_WITHOUT_MORE, student) == [whole]
    assert whole["departments"]
    assert list(whole)[-1] == "alive_as_of"
    assert await published.rows(STUDENTS_WITHOUT_MORE, unknown) == await published.rows(STUDENTS, unknown)


@pytest.mark.parametrize("add", MORE.values(), ids=MORE)
async def test_more_is_read_as_soon_as_there_is_some(
    published: Published, add: Callable[[Published, str], Awaitable[None]]
) -> None:
    student, beside = await published.student(), await published.student()
    before = await published.read(student)
    await add(published, student)
    assert [row["student_id"] for row in await published.rows(STUDENTS_WITHOUT_MORE, student, beside)] == [beside]
    whole = await published.rows(STUDENTS, student)
    assert whole != before
    for _ in range(2):
        assert await published.read(student) == whole
        found = await published.read_model.rows_of_many((student, beside))
        assert found[student] == await published.read_model.rows_of(student)
        assert found[beside] == await published.read_model.rows_of(beside)


async def test_who_had_more_is_asked_for_as_a_whole_at_once_and_the_least_recent_are_let_go(
    published: Published, statements: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(students, "_REMEMBERED", 1)
    one, other = await published.student(), await published.student()
    for student in (one, other):
        await _attempt(published, student)
    for student, without_more in ((one, 1), (one, 0), (other, 1), (one, 1)):
        statements.clear()
        await published.read(student)
        assert (statements[STUDENTS_WITHOUT_MORE], statements[STUDENTS]) == (without_more, 1)


async def test_the_probe_asks_the_database(published: Published) -> None:
    assert await published.read_model.probe() is None
    await published.pool.execute("DROP SCHEMA published CASCADE")
    with pytest.raises(ReadModelError):
        await published.read_model.probe()
