"""An exemption on its way through every service: two persons at the clearance, the page, the submission, the form."""

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import httpx

from deploy.local.installation import Installation
from schemas.flows import CLEARANCE
from services.gateway.case.decision import CheckState
from services.gateway.read_model.signed_form import payload_of
from services.kit.names import APPROVER, ROSTER
from tests.support.gateway.server import BrowserClient
from tests.support.waiting import eventually
from tests.system.test_submission import ready_to_submit, submit

NO_THESIS = {"card": "cancelled", "thesis": "not-submitted"}
UNTIL = (date.today() + timedelta(days=30)).isoformat()


async def thesis_of(browser: BrowserClient) -> dict[str, Any]:
    checks = (await browser.get("/api/v1/checks")).json()
    return next(dict(one) for one in checks if (one["department"], one["check"]) == ("library", "thesis"))


async def propose(school: httpx.AsyncClient, action: str, student_id: str, **fields: str) -> dict[str, Any]:
    body = {"student_id": student_id, "department": "library", "check": "thesis", "reason": "涉密论文", **fields}
    answer = await school.post(f"/approvals/propose/{action}", json=body, headers={"Idempotency-Key": str(uuid4())})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_two_persons_exempt_a_check_and_the_student_submits_without_it(installation: Installation) -> None:
    student_id, browser = await ready_to_submit(installation, library=NO_THESIS)
    school, approver = installation.client(CLEARANCE, ROSTER), installation.client(CLEARANCE, APPROVER)

    async def thesis_is(state: CheckState) -> bool:
        return bool((await thesis_of(browser))["state"] == state)

    await eventually(lambda: thesis_is(CheckState.BLOCKED), what="the library's status")
    made = await propose(school, "not-applicable", student_id, until=UNTIL)
    assert (made["state"], await thesis_is(CheckState.BLOCKED)) == ("open", True)
    refused = await school.post(f"/approvals/{made['proposal_id']}/confirm")
    assert refused.status_code == 403, "the school's own account does not confirm"
    confirmed = await approver.post(f"/approvals/{made['proposal_id']}/confirm")
    assert confirmed.json()["state"] == "confirmed", confirmed.text
    await eventually(lambda: thesis_is(CheckState.WAIVED), what="the exemption on the page")
    (listed,) = (await school.post("/exemptions/query", json={"student_id": student_id})).json()["exemptions"]
    assert (listed["in_force"], listed["proposed_by"], listed["confirmed_by"]) == (True, ROSTER, APPROVER)

    async def ready() -> bool:
        return bool((await browser.get("/api/v1/submission")).json()["state"] == "ready")

    await eventually(ready, what="every other check")
    await submit(browser)

    async def done() -> bool:
        return bool((await browser.get("/api/v1/submission")).json()["state"] == "done")

    await eventually(done, what="the acceptance")
    clearance = await installation.database(CLEARANCE)
    receipt = await clearance.fetchval("SELECT receipt FROM published.submission_v1 WHERE student_id = $1", student_id)
    payload = payload_of(receipt)
    assert payload is not None
    waived = {"kind": "not-applicable", "reason": "涉密论文", "until": UNTIL}
    assert payload["waived"] == {"library": {"thesis": waived}}
    assert (await browser.get("/me/form.pdf")).status_code == 200
    late = await school.post(
        "/approvals/propose/withdraw-exemption",
        json={"student_id": student_id, "department": "library", "check": "thesis", "reason": "登记有误"},
        headers={"Idempotency-Key": str(uuid4())},
    )
    assert (late.status_code, late.json()["type"]) == (409, "urn:lixiao:problem:already-submitted")
    await browser.close()
