"""The clearance's database from a backup, under all services: what was accepted since is accepted as it was."""

import asyncio
from contextlib import suppress

import pytest

from deploy.local.installation import Installation
from deploy.local.servers.postgres import dsn_of
from deploy.local.servers.server import Running
from schemas.flows import CLEARANCE, GATEWAY
from services.kit.postgres.pool import DATABASE_ERRORS
from tests.support.gateway.server import BrowserClient
from tests.support.servers.backups import backup_of
from tests.support.waiting import eventually
from tests.system.test_submission import ready_to_submit, submit

STUDENTS = 6
_FORMS = """
SELECT student_id, attempt_id, form_number, code, receipt, accepted_at, facts::text FROM published.submission_v2
ORDER BY form_number
"""


async def forms(installation: Installation) -> list[tuple[object, ...]]:
    """Empty while the database is away."""
    with suppress(*DATABASE_ERRORS):
        return [tuple(row) for row in await (await installation.database(CLEARANCE)).fetch(_FORMS)]
    return []


async def all_done(browsers: list[BrowserClient]) -> bool:
    states = [(await browser.get("/api/v1/submission")).json() for browser in browsers]
    return all(state.get("state") == "done" for state in states)


@pytest.mark.parametrize("running", [False, True], ids=["stopped", "under the running service"])
async def test_six_acceptances_since_the_backup_are_accepted_as_they_were(
    whole: Installation, postgres: Running, running: bool
) -> None:
    made = await asyncio.gather(*(ready_to_submit(whole) for _ in range(STUDENTS)))
    students, browsers = [student_id for student_id, _ in made], [browser for _, browser in made]
    async with backup_of(postgres.address, dsn_of(postgres.address, whole.database_name(CLEARANCE))) as backup:
        await whole.ready(CLEARANCE)
        await asyncio.gather(*(submit(browser) for browser in browsers))
        await eventually(lambda: all_done(browsers), what="six acceptances", timeout_s=60)
        before = await forms(whole)
        assert len(before) == STUDENTS
        if not running:
            whole.stop(CLEARANCE)
        await backup.restore()
    if not running:
        await whole.start(CLEARANCE)

    async def restored() -> bool:
        return await forms(whole) == before

    await eventually(restored, what="the forms to be there again", timeout_s=90)
    await eventually(lambda: all_done(browsers), what="the pages to say so", timeout_s=60)
    clearance = await whole.database(CLEARANCE)
    await _nothing_is_decided_anew(whole, students)
    assert await forms(whole) == before
    states = await clearance.fetch("SELECT state FROM attempt WHERE student_id = ANY($1)", students)
    assert {row["state"] for row in states} == {"accepted"}
    for browser in browsers:
        await browser.close()


async def _nothing_is_decided_anew(installation: Installation, students: list[str]) -> None:
    """Everybody has read what the restored clearance said, and agrees."""

    async def quiet() -> bool:
        clearance = await installation.database(CLEARANCE)
        return not await clearance.fetchval("SELECT count(*) FROM outbox")

    await eventually(quiet, what="the outbox to be empty")
    await asyncio.sleep(2)
    for name in (*installation.departments, CLEARANCE, GATEWAY):
        database = await installation.database(name)
        assert await database.fetchval("SELECT count(*) FROM dead_letter") == 0, name
    for name in installation.departments:
        database = await installation.database(name)
        ends = await database.fetch("SELECT outcome FROM attempt_end WHERE student_id = ANY($1)", students)
        assert [row["outcome"] for row in ends] == ["accepted"] * STUDENTS
        assert await database.fetchval("SELECT count(*) FROM hold") == 0
    gateway = await installation.database(GATEWAY)
    commands = await gateway.fetch("SELECT state FROM command WHERE student_id = ANY($1)", students)
    assert [row["state"] for row in commands] == ["done"] * STUDENTS
