"""The walk of one student through every service: roster, first words, a desk's change, the page, its twin."""

from typing import Any

from deploy.local.installation import Installation
from services.gateway.case.decision import CheckState
from tests.support.gateway.server import BrowserClient, Events, sign_in
from tests.support.waiting import eventually

PAGE_POLL_S = 0.25
"""The gateway slows down whoever asks faster for long."""
CLEAR: dict[str, dict[str, Any]] = {
    "library": {"card": "cancelled", "thesis": "approved"},
    "archives": {"thesis": "approved"},
    "finance": {"charges": []},
    "dorm": {"residences": []},
}
"""A record of each department that speaks for the student."""


async def checks(browser: BrowserClient) -> dict[str, dict[str, Any]]:
    """`department/check` → what the twin says of it."""
    answer = await browser.get("/api/v1/checks")
    assert answer.status_code == 200, answer.text
    return {f"{check['department']}/{check['check']}": check for check in answer.json()}


async def states(browser: BrowserClient) -> set[str]:
    return {check["state"] for check in (await checks(browser)).values()}


async def test_a_student_on_the_roster_has_a_first_word_of_every_department(installation: Installation) -> None:
    person = installation.person()
    browser = await sign_in(installation, person)
    assert (await browser.get("/api/v1/case")).status_code == 404
    await installation.enrol(person.student_id or "", name="王暂名")

    async def all_have_spoken() -> bool:
        answer = await browser.get("/api/v1/checks")
        return answer.status_code == 200 and CheckState.WAITING not in {check["state"] for check in answer.json()}

    await eventually(all_have_spoken, what="a first word of every department", poll_s=PAGE_POLL_S)
    said = await checks(browser)
    assert {name.split("/")[0] for name in said} == set(installation.departments)
    assert {check["version"] for check in said.values()} == {1}
    assert said["dorm/check-out"]["state"] == CheckState.CLEAR, "whoever never lived on campus has nothing to hand back"
    assert said["library/borrowing"]["state"] == CheckState.BLOCKED
    page = (await browser.get("/case")).text
    assert "王暂名" in page
    assert all(installation.departments[name].title.zh in page for name in installation.departments)
    await browser.close()


async def test_a_change_at_a_desk_turns_the_line_on_the_page_its_twin_and_the_open_page(
    installation: Installation,
) -> None:
    person = installation.person()
    student_id = person.student_id or ""
    await installation.enrol(student_id)
    await installation.opened("finance", [student_id])
    await installation.in_step("finance", students=[student_id])
    browser = await sign_in(installation, person)
    assert "1682.40" not in (await browser.get("/case")).text

    async with browser.stream("/case/live") as response:
        events = Events(response)
        await events.next()
        charge = {"charge_id": "C-1", "year": "2025-2026", "name": "学费", "amount": "1682.40"}
        await installation.operate("finance", "charge", student_id=student_id, **charge)
        await told(events, "1682.40")
        check = (await checks(browser))["finance/arrears"]
        assert (check["state"], check["version"]) == (CheckState.BLOCKED, 2)
        page = (await browser.get("/case")).text
        assert "1682.40" in line_of(page, "finance-arrears")
        assert "未通过" in line_of(page, "finance-arrears")

        await installation.operate("finance", "payment", student_id=student_id, charge_id="C-1", amount="1682.40")
        html = await told(events, 'id="finance-arrears" class="line clear"')
        assert "通过" in line_of(html, "finance-arrears")
        assert (await checks(browser))["finance/arrears"]["version"] == 3
    await browser.close()


async def test_when_every_department_is_done_all_lines_pass_and_the_case_can_be_submitted(
    installation: Installation,
) -> None:
    person = installation.person()
    student_id = person.student_id or ""
    await installation.enrol(student_id)
    for department, record in CLEAR.items():
        await installation.put(department, student_id, record)
    browser = await sign_in(installation, person)

    async def all_clear() -> bool:
        return await states(browser) == {CheckState.CLEAR}

    await eventually(all_clear, what="every line to pass", poll_s=PAGE_POLL_S)
    assert (await browser.get("/api/v1/submission")).json()["state"] == "ready"
    await installation.put("library", student_id, {"card": "cancelled", "thesis": "returned"})

    async def open_again() -> bool:
        return bool((await checks(browser))["library/thesis"]["state"] == CheckState.BLOCKED)

    await eventually(open_again, what="the line to turn back", poll_s=PAGE_POLL_S)
    assert (await browser.get("/api/v1/submission")).json()["state"] == "open-items"
    await browser.close()


async def test_a_student_the_service_is_not_for_is_told_so_and_spoken_of_by_nobody(
    installation: Installation,
) -> None:
    person = installation.person()
    student_id = person.student_id or ""
    await installation.enrol(student_id, leave_category="结业离校")
    other = await installation.enrol()
    await installation.opened("library", [other])
    browser = await sign_in(installation, person)
    assert (await browser.get("/api/v1/case")).json()["state"] == "not-served"
    assert "结业的学生不使用本服务" in (await browser.get("/case")).text
    assert student_id not in await installation.published("library")
    await browser.close()


async def told(events: Events, text: str) -> str:
    """Read the stream until a state holds `text`; that state's HTML."""
    while True:
        name, data = await events.next()
        html: str = data.get("html", "")
        if name == "state" and text in html:
            return html


def line_of(html: str, anchor: str) -> str:
    """The part of a page that is one check's line."""
    return html.split(f'<article id="{anchor}"')[1].split("</article>")[0]
