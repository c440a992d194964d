"""What is under a person's former number, on the page under the current one."""

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from schemas.events import Reason
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, RunningGateway
from tests.support.gateway.visits import commands, id_of
from tests.support.samples import case_samples

DEBT = Reason(code="arrears", parameters={"count": 1, "total": "8000.00"})


async def test_a_debt_under_the_former_number_is_seen_as_such_and_nothing_is_submitted(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    former = new_student_id()
    await clearance.put_case(id_of(person))
    await clearance.all_clear(id_of(person))
    await clearance.join(id_of(person), former)
    await clearance.all_clear(former)
    await browser.sign_in(person)
    assert "全部事项均已通过" in (await browser.get("/case")).text
    blocked = case_samples.check("arrears", {"total": "8000.00", "charges": []}, DEBT)
    await clearance.put_status(former, "finance", [blocked], version=2)
    page = await browser.get("/case")
    for words in (f"（曾用学号 {former}）", "共 8000.00 元", 'id="former-1-finance-arrears"'):
        assert words in page.text
    answer = await browser.post("/submit", {"csrf": await browser.csrf()})
    assert (answer.status_code, former in answer.text) == (409, True)
    assert await commands(gateway, person) == []
    [line] = [one for one in (await browser.get("/api/v1/checks")).json() if one["former_number"]]
    assert (line["former_number"], line["check"], line["state"]) == (former, "arrears", "blocked")


async def test_what_nobody_has_said_under_the_former_number_is_waited_for(
    browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    former = new_student_id()
    await clearance.put_case(id_of(person))
    await clearance.all_clear(id_of(person))
    await clearance.join(id_of(person), former)
    await browser.sign_in(person)
    lines = [one for one in (await browser.get("/api/v1/checks")).json() if one["former_number"]]
    assert {line["state"] for line in lines} == {"waiting"}
    assert len(lines) == 5
    assert (await browser.get("/api/v1/submission")).json()["state"] == "open-items"


async def test_the_former_number_itself_has_no_case_to_work_on(
    browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clearance.put_case(new := new_student_id())
    await clearance.join(new, id_of(person))
    await browser.sign_in(person)
    assert "未查询到您的离校信息" in (await browser.get("/case")).text
