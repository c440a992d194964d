"""A student is forgotten by the command, in every running service and on the broker."""

import asyncio
from typing import Any, Final
from uuid import uuid4

from deploy.local.installation import Installation
from schemas.flows import CLEARANCE, GATEWAY
from services.kit.names import APPROVER, FORGETTING
from tests.support.browser.journey_data import CLERK
from tests.support.gateway.server import sign_in
from tests.support.kafka.topics import everything
from tests.support.personal_data import AUDIT, tables_that_mention
from tests.support.waiting import eventually
from tests.system.test_after_acceptance import Desk, accepted
from tests.system.test_submission import ready_to_submit, submit

DEADLINE_S: Final = 30.0


async def tables_left(installation: Installation, number: str) -> set[str]:
    found: set[str] = set()
    for name in (*installation.departments, CLEARANCE, GATEWAY):
        found |= (await tables_that_mention(await installation.database(name), number)).keys()
    return found


async def states_left(installation: Installation, number: str) -> list[str]:
    """Compacted topics whose newest record under some key has the number in its value."""
    found = []
    for spec in installation.topics.specs(installation.departments):
        if spec.config["cleanup.policy"] != "compact":
            continue
        newest = {record.key: record.value for record in await everything(installation.kafka, spec.name)}
        if any(number.encode() in (value or b"") for value in newest.values()):
            found.append(spec.name)
    return found


async def test_the_command_forgets_a_student_in_every_service_and_every_state_of_a_topic(
    installation: Installation,
) -> None:
    student_id, browser = await ready_to_submit(installation)
    await submit(browser)
    form = await accepted(browser, 1)

    async def command() -> Any:
        return await asyncio.to_thread(
            installation.command, CLEARANCE, "forget", student_id.lower(), "--why", "保存期满"
        )

    refused = await command()
    assert refused.returncode == 1
    assert "not handed over" in refused.stdout
    clerk = await sign_in(installation, CLERK)
    desk = Desk(clerk, (await clerk.get("/api/v1/desk")).json()["csrf"])
    assert (await desk.ask("hand-over", form_number=form, taken_by="self"))["outcome"] == "issued"
    assert len(await states_left(installation, student_id)) == 1 + len(installation.departments)

    done = await command()
    assert done.returncode == 0, done.stderr
    assert "student_case: 1" in done.stdout

    async def gone() -> bool:
        return await tables_left(installation, student_id) == {AUDIT}

    await eventually(gone, what="every table to be without the number", timeout_s=DEADLINE_S)
    assert await states_left(installation, student_id) == []
    assert (await browser.get("/api/v1/case")).status_code == 401, "the student is signed out"
    for one in (browser, clerk):
        await one.close()


async def test_two_persons_have_a_student_forgotten_whose_case_is_open(installation: Installation) -> None:
    student_id, browser = await ready_to_submit(installation)
    proposed = await installation.client(CLEARANCE, FORGETTING).post(
        "/approvals/propose/forget-student",
        json={"student_id": student_id, "reason": "本人依法申请删除"},
        headers={"Idempotency-Key": str(uuid4())},
    )
    assert proposed.status_code == 200, proposed.text
    assert (proposed.json()["persons"], proposed.json()["state"]) == (2, "open")
    path = f"/approvals/{proposed.json()['proposal_id']}/confirm"
    confirmed = await installation.client(CLEARANCE, APPROVER).post(path)
    assert (confirmed.status_code, confirmed.json()["state"]) == (200, "confirmed")

    async def gone() -> bool:
        return await tables_left(installation, student_id) == {AUDIT}

    await eventually(gone, what="every table to be without the number", timeout_s=DEADLINE_S)
    assert await states_left(installation, student_id) == []
    assert (await installation.client(CLEARANCE, APPROVER).post(path)).status_code == 404
    await browser.close()
