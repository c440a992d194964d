"""A department restored while a submission is being decided: no debt comes in before its hold is back."""

from collections.abc import Mapping
from typing import Any

import httpx

from deploy.local.installation import Installation
from deploy.local.servers.postgres import dsn_of
from deploy.local.servers.server import Running
from schemas.flows import CLEARANCE
from tests.support.servers.backups import backup_of
from tests.support.waiting import eventually
from tests.system.test_submission import ready_to_submit, submit
from tests.system.test_walk import CLEAR

RESTORED, SILENT = "library", "archives"
NO_BROKER = "127.0.0.1:1"


async def put(installation: Installation, student_id: str, record: Mapping[str, Any]) -> httpx.Response:
    """As soon as the desk answers at all."""
    answers: list[httpx.Response] = []

    async def answered() -> bool:
        try:
            body = {"student_id": student_id, "record": record}
            answers.append(await installation.client(RESTORED).put("/records", json=body))
        except httpx.TransportError:
            return False
        return True

    await eventually(answered, what="the desk to answer", timeout_s=60)
    return answers[-1]


async def test_a_debt_meets_the_hold_that_the_backup_did_not_have(whole: Installation, postgres: Running) -> None:
    student_id, browser = await ready_to_submit(whole)
    owing = {**CLEAR[RESTORED], "card": "active"}
    library = await whole.database(RESTORED)
    async with backup_of(postgres.address, dsn_of(postgres.address, whole.database_name(RESTORED))) as backup:
        await whole.ready(RESTORED)
        whole.stop(SILENT)
        await submit(browser)

        async def held() -> bool:
            return bool(await (await whole.database(RESTORED)).fetchval("SELECT count(*) FROM hold"))

        await eventually(held, what="the library's hold")
        whole.stop(RESTORED)
        await backup.restore()
    library = await whole.database(RESTORED)
    assert await library.fetchval("SELECT count(*) FROM hold") == 0

    # Without a broker it cannot know what is being decided. What takes no pass away goes on.
    kafka = whole.service(RESTORED).environment["LIXIAO_KAFKA"]
    whole.configure(RESTORED, LIXIAO_KAFKA=NO_BROKER)
    await whole.start(RESTORED, wait=False)
    refused = await put(whole, student_id, owing)
    assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (423, "still-reading")
    assert (await put(whole, student_id, CLEAR[RESTORED])).status_code == 200
    whole.stop(RESTORED)

    whole.configure(RESTORED, LIXIAO_KAFKA=kafka)
    await whole.start(RESTORED, wait=False)
    tried = [await put(whole, student_id, owing)]
    await whole.ready(RESTORED)
    tried += [await put(whole, student_id, owing) for _ in range(3)]
    assert [answer.status_code for answer in tried] == [423] * 4
    assert tried[-1].json()["type"].rpartition(":")[2] == "held"

    await whole.start(SILENT)

    async def done() -> bool:
        return bool((await browser.get("/api/v1/submission")).json().get("state") == "done")

    await eventually(done, what="the acceptance", timeout_s=60)

    async def taken() -> bool:
        return (await put(whole, student_id, owing)).status_code == 200

    await eventually(taken, what="the debt to come in after the decision")
    clearance = await whole.database(CLEARANCE)

    async def excepted() -> bool:
        return bool(await clearance.fetchval("SELECT count(*) FROM exception WHERE student_id = $1", student_id))

    await eventually(excepted, what="the exception on the form")
    await browser.close()
