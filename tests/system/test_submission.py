"""A submission and a cancelled card through every service: the gateway, the clearance, the departments, real Kafka."""

import asyncio
import json
from pathlib import Path
from typing import Any

from deploy.local.installation import Installation
from schemas.flows import CLEARANCE
from services.gateway.case.decision import CheckState
from tests.support.gateway.server import BrowserClient, sign_in
from tests.support.waiting import eventually
from tests.system.test_walk import CLEAR, states


async def ready_to_submit(installation: Installation, **records: Any) -> tuple[str, BrowserClient]:
    """A student whose page shows every check as passed, and their browser."""
    person = installation.person()
    student_id = person.student_id or ""
    await installation.enrol(student_id)
    for department, record in {**CLEAR, **records}.items():
        await installation.put(department, student_id, record)
    browser = await sign_in(installation, person)

    async def all_clear() -> bool:
        return await states(browser) == {CheckState.CLEAR}

    if not records:
        await eventually(all_clear, what="every line to pass")
    return student_id, browser


async def submit(browser: BrowserClient) -> dict[str, Any]:
    answer = await browser.post("/api/v1/submission", headers={"X-CSRF-Token": await browser.csrf()})
    assert answer.status_code == 202, answer.text
    said: dict[str, Any] = answer.json()
    return said


async def test_a_student_submits_once_and_the_form_verifies_offline(installation: Installation, tmp_path: Path) -> None:
    student_id, browser = await ready_to_submit(installation)
    commands = await asyncio.gather(*(submit(browser) for _ in range(5)))
    assert len({json.dumps(command["command_id"]) for command in commands}) == 1

    async def done() -> bool:
        return bool((await browser.get("/api/v1/submission")).json()["state"] == "done")

    await eventually(done, what="the submission to be accepted")
    clearance = await installation.database(CLEARANCE)
    rows = await clearance.fetch("SELECT * FROM published.submission_v1 WHERE student_id = $1", student_id)
    (row,) = rows
    assert str(row["attempt_id"]) == commands[0]["command_id"]

    exported = await asyncio.to_thread(installation.command, CLEARANCE, "keys", "export")
    keys, form = tmp_path / "keys.json", tmp_path / "form.txt"
    keys.write_text(exported.stdout, "utf-8")
    form.write_text(row["receipt"], "utf-8")
    genuine = await asyncio.to_thread(installation.command, CLEARANCE, "verify", str(form), "--jwks", str(keys))
    assert (genuine.returncode, row["form_number"] in genuine.stdout) == (0, True), genuine.stderr
    altered = row["qr_text"][:-1] + ("A" if row["qr_text"][-1] != "A" else "B")
    forged = await asyncio.to_thread(installation.command, CLEARANCE, "verify", "--text", altered, "--jwks", str(keys))
    assert (forged.returncode, "NOT GENUINE" in forged.stderr) == (1, True)

    charge = {"charge_id": "C-9", "year": "2025-2026", "name": "学费", "amount": "12.00"}

    async def goes_through() -> bool:
        body = {"student_id": student_id, **charge}
        answer = await installation.client("finance").post(
            "/operations/charge", json=body, headers={"Idempotency-Key": f"late-{student_id}"}
        )
        assert answer.status_code in (200, 423), answer.text
        return answer.status_code == 200

    await eventually(goes_through, what="the holds to be let go")

    async def is_excepted() -> bool:
        return bool(
            await clearance.fetchval(
                "SELECT exception_count = 1 FROM published.submission_v1 WHERE student_id = $1", student_id
            )
        )

    await eventually(is_excepted, what="the exception")
    again = await clearance.fetch("SELECT receipt FROM published.submission_v1 WHERE student_id = $1", student_id)
    assert [one["receipt"] for one in again] == [row["receipt"]]
    for department in installation.departments:
        assert await (await installation.database(department)).fetchval("SELECT count(*) FROM hold") == 0
    await browser.close()


async def test_a_student_cancels_the_card_and_the_line_passes(installation: Installation) -> None:
    student_id, browser = await ready_to_submit(installation, library={"card": "active", "thesis": "approved"})

    async def offered() -> bool:
        answer = await browser.post(
            "/api/v1/commands/library/cancel-card", headers={"X-CSRF-Token": await browser.csrf()}
        )
        assert answer.status_code in (202, 409), answer.text
        return answer.status_code == 202

    await eventually(offered, what="the cancel to be offered")

    async def all_clear() -> bool:
        return await states(browser) == {CheckState.CLEAR}

    await eventually(all_clear, what="the line to pass")
    library = await installation.database("library")
    done = await library.fetch("SELECT outcome FROM command_done WHERE student_id = $1", student_id)
    assert [row["outcome"] for row in done] == ["done"]
    await browser.close()
