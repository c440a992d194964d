"""One student, 200 clicks at once through two gateway processes: one submission, one receipt, named by every reply."""

import asyncio
import time

import httpx

from deploy.local.devices import Device, devices
from schemas.flows import GATEWAY
from tests.support.checker.history import Kind, Outcome
from tests.support.checker.observed_installation import ObservedInstallation

CLICKS = 200
DEVICES = 20
CLICK_TIMEOUT_S = 60
SECOND = f"{GATEWAY}:2"


async def test_two_hundred_clicks_through_two_gateways_are_one_submission(observed: ObservedInstallation) -> None:
    installation = observed.installation
    await installation.start(SECOND)
    gateways = [installation.address(GATEWAY), installation.address(SECOND)]
    student_id = await observed.student()
    await observed.rest()
    clicking = await devices(observed.pool, [student_id] * DEVICES)
    began_s = time.monotonic()
    answers = await asyncio.gather(
        *(_click(observed, clicking[number % DEVICES], gateways[number // DEVICES % 2]) for number in range(CLICKS))
    )
    assert {answer.status_code for answer in answers} == {202}
    named = {answer.json()["command_id"] for answer in answers}
    assert len(named) == 1, "every reply names the same submission"
    for answer in answers:
        reply = {"command_id": answer.json()["command_id"]}
        observed.history.add(Kind.ASK, student_id, Outcome.OK, began_s=began_s, reply=reply)
    assert await observed.end_of(named.pop()) == "done"
    await observed.read_submission(student_id)
    shown = [(await device.read(gateway)).json() for device in clicking[:2] for gateway in gateways]
    assert {one["state"] for one in shown} == {"done"}
    assert len({one["form_number"] for one in shown}) == 1, "one receipt on every device"
    again = await clicking[0].submit(gateways[0])
    assert again.json()["command_id"] == answers[0].json()["command_id"], "asked once more, it is the same"
    for device in clicking:
        await device.close()
    installation.stop(SECOND)
    assert await observed.judged() == []


async def _click(observed: ObservedInstallation, device: Device, gateway: str) -> httpx.Response:
    """Click, and again after a "not now": nothing was promised then, so nothing is known."""
    deadline_s = time.monotonic() + CLICK_TIMEOUT_S
    while True:
        began_s = time.monotonic()
        answer = await device.submit(gateway)
        if answer.status_code != 503 or began_s > deadline_s:
            return answer
        observed.history.add(Kind.ASK, device.student_id, Outcome.UNKNOWN, began_s=began_s)
        await asyncio.sleep(0.5)
