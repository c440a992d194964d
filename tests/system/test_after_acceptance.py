"""The whole way behind an acceptance, through every service: exceptions, hand-over and undo, void, a second case."""

from typing import Any
from uuid import uuid4

from deploy.local.installation import Installation
from schemas.flows import CLEARANCE
from services.kit.names import APPROVER, FORM_VOID
from tests.support.browser.journey_data import CLERK
from tests.support.gateway.server import BrowserClient, sign_in
from tests.support.waiting import eventually
from tests.system.test_submission import ready_to_submit, submit
from tests.system.test_walk import CLEAR


async def accepted(browser: BrowserClient, number: int) -> str:
    """The number of the student's form, their `number`-th."""
    found: list[str] = []

    async def done() -> bool:
        case = (await browser.get("/api/v1/case")).json()
        found[:] = [form["form_number"] for form in case["forms"]]
        return case["submission"]["state"] == "done" and len(found) == number

    await eventually(done, what="the submission to be accepted")
    return found[-1]


async def unready(browser: BrowserClient) -> bool:
    return bool((await browser.get("/api/v1/submission")).json()["state"] != "ready")


async def ready(browser: BrowserClient) -> None:
    async def open_again() -> bool:
        return bool((await browser.get("/api/v1/submission")).json()["state"] == "ready")

    await eventually(open_again, what="the case to be open, and clear")


class Desk:
    """The certificate desk's JSON API."""

    def __init__(self, browser: BrowserClient, csrf: str) -> None:
        self._browser, self._csrf = browser, csrf

    async def ask(self, path: str, **body: Any) -> dict[str, Any]:
        answer = await self._browser.post_json(f"/api/v1/desk/{path}", body, {"X-CSRF-Token": self._csrf})
        said: dict[str, Any] = answer.json()
        return said

    async def exceptions(self, form_number: str, names: set[str]) -> None:
        async def seen() -> bool:
            form = (await self.ask("check", form=form_number))["form"]
            return {one["name"].split()[0] for one in form["exceptions"]} == names

        await eventually(seen, what=f"the exceptions {names}")


async def put(installation: Installation, student_id: str, **changes: str) -> dict[str, Any]:
    """A word of the roster; the answer."""
    client = installation.client(CLEARANCE)
    case = (await client.post("/cases/query", json={"student_id": student_id})).json()
    answer = await client.put("/cases", json={**case["student"], **changes})
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


async def void(installation: Installation, student_id: str, form_number: str) -> None:
    body = {"student_id": student_id, "form_number": form_number, "reason": "姓名有误"}
    proposed = await installation.client(CLEARANCE, FORM_VOID).post(
        "/approvals/propose/void-form", json=body, headers={"Idempotency-Key": str(uuid4())}
    )
    assert proposed.status_code == 200, proposed.text
    path = f"/approvals/{proposed.json()['proposal_id']}/confirm"
    assert (await installation.client(CLEARANCE, APPROVER).post(path)).status_code == 200


async def test_what_was_accepted_is_confirmed_taken_back_replaced_and_followed(installation: Installation) -> None:
    student_id, browser = await ready_to_submit(installation)
    clerk = await sign_in(installation, CLERK)
    desk = Desk(clerk, (await clerk.get("/api/v1/desk")).json()["csrf"])
    await submit(browser)
    first = await accepted(browser, 1)

    said = await put(installation, student_id, name="甲某某")
    assert [one["form_number"] for one in said["forms"]] == [first]
    assert [one["code"] for one in said["forms"][0]["roster_differs"]] == ["name-changed"]
    await desk.exceptions(first, {"roster"})
    unconfirmed = await desk.ask("hand-over", form_number=first, taken_by="self")
    assert unconfirmed["outcome"] == "unconfirmed"
    issued = await desk.ask(
        "hand-over", form_number=first, taken_by="self", confirmed=["roster 1"], reason="学籍科来函"
    )
    assert issued["outcome"] == "issued"

    of = issued["form"]["hand_overs"][-1]["command_id"]
    undone = await desk.ask("undo", form_number=first, of=of, reason="证书上的姓名有误，已收回")
    assert undone["outcome"] == "undone"
    await void(installation, student_id, first)
    await ready(browser)
    assert (await desk.ask("hand-over", form_number=first, taken_by="self"))["outcome"] == "void"
    await submit(browser)
    second = await accepted(browser, 2)
    replaced = (await desk.ask("check", form=first))["form"]
    assert (replaced["void"]["replaced_by"], replaced["may_hand_over"]) == (second, False)
    shown = (await desk.ask("check", form=second))["form"]
    assert (shown["replaces"], shown["name"], shown["exceptions"]) == (first, "甲某某", [])
    assert (await desk.ask("hand-over", form_number=second, taken_by="self"))["outcome"] == "issued"

    await put(installation, student_id, cohort="2026")
    case = await put(installation, student_id, major="另一专业", enrolled_on="2026-09-01", cohort="2029")
    assert (case["state"], case["case_number"]) == ("open", 2)
    await eventually(lambda: unready(browser), what="the thesis of the first departure to count no more")
    for department in ("library", "archives"):
        await installation.put(department, student_id, CLEAR[department])
    await ready(browser)
    page = await browser.get("/case")
    for words in ("另一专业", second, 'href="/completed/2"'):
        assert words in page.text
    assert second in (await browser.get("/completed/2")).text
    await submit(browser)
    third = await accepted(browser, 3)
    assert (await desk.ask("hand-over", form_number=third, taken_by="self"))["outcome"] == "issued"
    kept = (await desk.ask("check", form=second))["form"]
    assert (kept["case_number"], kept["void"], kept["hand_overs"][0]["undo"]) == (1, None, None)
    for one in (browser, clerk):
        await one.close()
