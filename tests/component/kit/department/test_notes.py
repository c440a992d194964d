"""Notes about a student at a desk: once for a key, for that desk alone, published nowhere, forgotten and purged."""

import httpx

from deploy.local.installation import new_student_id
from services.kit.department.retention import TABLES
from services.kit.retention.erasing import erase
from tests.component.kit.department.test_desk_api import desk_client
from tests.support.departments.desks import open_case
from tests.support.retention import SETTINGS, purge_in

TEXT = "档案袋在二号柜。"


async def write(client: httpx.AsyncClient, student_id: str, text: str, key: str) -> httpx.Response:
    return await client.post(
        "/notes", json={"student_id": student_id, "text": text}, headers={"Idempotency-Key": f"{key}-{student_id}"}
    )


async def texts(client: httpx.AsyncClient, student_id: str) -> list[str]:
    answer = await client.post("/notes/query", json={"student_id": student_id})
    assert answer.status_code == 200, answer.text
    return [one["text"] for one in answer.json()["notes"]]


async def test_a_note_is_written_once_listed_newest_first_and_published_nowhere(database: str) -> None:
    async with desk_client(database, "archives") as (desk, client):
        student_id = new_student_id()
        await open_case(desk, student_id)
        published = await desk.pool.fetchval("SELECT count(*) FROM outbox")
        for key, text in (("one", TEXT), ("one", TEXT), ("two", "第二行\n第三行")):
            assert (await write(client, student_id, text, key)).status_code == 200
        assert await texts(client, student_id) == ["第二行\n第三行", TEXT]
        assert (await write(client, student_id, "另一条", "one")).status_code == 422
        assert await desk.pool.fetchval("SELECT count(*) FROM outbox") == published
        audited = await desk.pool.fetch(
            "SELECT act, outcome, details FROM audit.entry WHERE student_id = $1 AND act LIKE 'note.%'", student_id
        )
        assert [(one["act"], one["outcome"]) for one in audited if one["outcome"] != "read"] == [
            ("note.write", "written")
        ] * 2
        assert TEXT not in str([one["details"] for one in audited])


async def test_a_note_is_forgotten_with_the_student_and_purged_after_its_time(database: str) -> None:
    async with desk_client(database, "archives") as (desk, client):
        first, second = new_student_id(), new_student_id()
        for student_id in (first, second):
            await write(client, student_id, TEXT, "note")
        async with desk.pool.acquire() as connection, connection.transaction():
            await erase(connection, TABLES, [first])
        assert (await texts(client, first), await texts(client, second)) == ([], [TEXT])
        await purge_in(desk.pool, TABLES, days=SETTINGS.keep_notes_days - 1)
        assert await texts(client, second) == [TEXT]
        await purge_in(desk.pool, TABLES, days=SETTINGS.keep_notes_days + 1)
        assert await texts(client, second) == []
