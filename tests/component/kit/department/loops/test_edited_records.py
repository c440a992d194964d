"""A record edited by hand is found, assessed as it is now and published; what the service writes is no edit."""

import json
from typing import Any

import pytest

from deploy.local.installation import new_student_id
from schemas.events import CaseState, StatusChanged, Verdict
from services.kit.department.changes.requests import change_record
from services.kit.department.desk import Desk
from services.kit.department.loops.edited_records import EditedRecords
from services.kit.department.tables.holders import list_holdings
from services.kit.rules.reasons import RECORD_REPLACED
from services.library.rules import Card, LibraryRecord, Thesis
from tests.support.departments.desks import desk_over, now, open_case, outbox_statuses

CLEAR = LibraryRecord(card=Card.CANCELLED, thesis=Thesis.APPROVED)
BODY = """UPDATE record SET body = jsonb_set(body, '{card}', '"active"') WHERE student_id = $1"""
CHECKS = """UPDATE record SET status = replace(status, '"clear"', '"blocked"') WHERE student_id = $1"""
VERSION = "UPDATE record SET status_version = status_version + 1 WHERE student_id = $1"
EVIDENCE = "UPDATE record SET own_evidence = '{}' WHERE student_id = $1"


async def cleared(desk: Desk[Any]) -> str:
    student_id = new_student_id()
    await open_case(desk, student_id)
    await change_record(desk, student_id, lambda record: (CLEAR, RECORD_REPLACED()), now=now())
    return student_id


async def newest(desk: Desk[Any], student_id: str) -> StatusChanged:
    return [status for status in await outbox_statuses(desk) if status.student_id == student_id][-1]


async def edited(desk: Desk[Any]) -> list[str]:
    rows = await desk.pool.fetch("SELECT student_id FROM audit.entry WHERE act = 'record.edited' ORDER BY entry_id")
    return [row["student_id"] for row in rows]


async def test_what_the_service_writes_is_no_edit(database: str) -> None:
    async with desk_over(database, "library") as desk:
        student_id = await cleared(desk)
        await open_case(desk, student_id, version=2, state=CaseState.CLOSED)
        await open_case(desk, student_id, version=3)
        async with desk.pool.acquire() as connection, connection.transaction():
            await desk.lock(connection, new_student_id())
        await list_holdings(desk.pool, desk.rules)
        assert await EditedRecords(desk).look() == 0
        assert await edited(desk) == []


@pytest.mark.parametrize("edit", [BODY, CHECKS, VERSION, EVIDENCE], ids=["body", "checks", "version", "evidence"])
async def test_a_record_edited_by_hand_is_named_and_published_as_it_is_now(database: str, edit: str) -> None:
    # What a list covers needs no word of its own.
    async with desk_over(database, "library", covered=edit != EVIDENCE) as desk:
        student_id, other = await cleared(desk), await cleared(desk)
        before = await newest(desk, student_id)
        untouched = await newest(desk, other)
        await desk.pool.execute(edit, student_id)
        loop = EditedRecords(desk)
        assert await loop.look() == 1
        status = await newest(desk, student_id)
        assert status.version > before.version
        blocked = any(check.verdict is Verdict.BLOCKED for check in status.checks)
        assert blocked is (edit in {BODY, EVIDENCE})
        assert await edited(desk) == [student_id]
        assert await newest(desk, other) == untouched
        assert await loop.look() == 0


async def test_a_row_added_by_hand_is_taken_over(database: str) -> None:
    async with desk_over(database, "library") as desk:
        student_id = new_student_id()
        await desk.pool.execute(
            "INSERT INTO record (student_id, body, case_state, case_version) VALUES ($1, $2, 'open', 1)",
            student_id,
            CLEAR.model_dump_json(),
        )
        assert await EditedRecords(desk).look() == 1
        assert (await newest(desk, student_id)).version == 1


async def test_a_record_of_a_student_who_is_not_leaving_is_named_once_and_not_published(database: str) -> None:
    async with desk_over(database, "library") as desk:
        student_id = new_student_id()
        await change_record(desk, student_id, lambda record: (CLEAR, RECORD_REPLACED()), now=now())
        await desk.pool.execute(BODY, student_id)
        loop = EditedRecords(desk)
        assert await loop.look() == 1
        assert await loop.look() == 0
        assert await edited(desk) == [student_id]
        assert await outbox_statuses(desk) == []


async def test_one_that_cannot_be_read_any_more_is_a_warning_and_keeps_no_other_back(database: str) -> None:
    async with desk_over(database, "library") as desk:
        broken, student_id = sorted([await cleared(desk), await cleared(desk)])
        await desk.pool.execute("UPDATE record SET body = $2 WHERE student_id = $1", broken, json.dumps({"card": 7}))
        await desk.pool.execute(BODY, student_id)
        loop = EditedRecords(desk)
        assert await loop.look() == 1
        assert await edited(desk) == [student_id]
        assert "1 records" in (await loop.warning() or "")
        await desk.pool.execute("UPDATE record SET body = $2 WHERE student_id = $1", broken, CLEAR.model_dump_json())
        await loop.look()
        assert await loop.warning() is None
