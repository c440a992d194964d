"""What is asked: the single submission and the commands to a department."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from deploy.local.identity.people import Person
from schemas.events import (
    CommandAnswered,
    CommandAsked,
    CommandOutcome,
    Reason,
    SubmissionAccepted,
    SubmissionRefused,
    SubmitAsked,
)
from services.gateway.tables.commands import end
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, RunningGateway
from tests.support.gateway.visits import card_open, clear_and_signed_in, commands, id_of, posted
from tests.support.samples import case_samples
from tests.support.samples.case_samples import NOW


async def test_a_submission_while_items_are_open_says_which_why_and_whom_to_ask(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await card_open(clearance, person)
    await browser.sign_in(person)
    for answer in (await browser.get("/submit"), await browser.post("/submit", {"csrf": await browser.csrf()})):
        assert answer.status_code == 409
        assert "图书馆-图书借阅" in answer.text
        assert "请点击“注销”注销借书证" in answer.text
        assert "tel:051683592019" in answer.text
    assert await commands(gateway, person) == []


async def test_however_often_a_student_submits_it_is_one_submission(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clear_and_signed_in(browser, clearance, person)
    token = await browser.csrf()
    answers = await asyncio.gather(*(browser.post("/submit", {"csrf": token}) for _ in range(8)))
    assert {answer.headers["location"] for answer in answers} == {"/case#submit"}
    made = await commands(gateway, person)
    assert len(made) == 1
    events = await posted(gateway, person)
    assert [(type(event), event.command_id) for event in events] == [(SubmitAsked, made[0]["command_id"])]
    page = await browser.get("/case")
    assert "等待图书馆确认…" in page.text
    twin = (await browser.post("/api/v1/submission", headers={"X-CSRF-Token": token})).json()
    assert twin["command_id"] == str(made[0]["command_id"])


async def test_an_accepted_submission_is_never_asked_again_and_a_refused_one_may_be(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clear_and_signed_in(browser, clearance, person)
    token = await browser.csrf()
    await browser.post("/submit", {"csrf": token})
    first: UUID = (await commands(gateway, person))[0]["command_id"]
    objection = {"finance": (Reason(code="arrears", parameters={"count": 1, "total": "60.00"}),)}
    await hear(
        gateway,
        SubmissionRefused(
            attempt_id=first, student_id=id_of(person), cause="objected", objections=objection, refused_at=NOW
        ),
    )
    page = await browser.get("/case")
    assert "财务处收费管理办公室：有 1 项欠费，共 60.00 元" in page.text
    await browser.post("/submit", {"csrf": token})
    second = next(row["command_id"] for row in await commands(gateway, person) if row["state"] == "asked")
    assert second != first
    accepted = SubmissionAccepted(attempt_id=second, student_id=id_of(person), form_number="LX-1", accepted_at=NOW)
    await hear(gateway, accepted)
    await hear(gateway, accepted)
    again = await browser.post("/submit", {"csrf": token})
    assert again.status_code == 303
    assert sorted(row["state"] for row in await commands(gateway, person)) == ["done", "refused"]


async def test_an_end_of_somebody_elses_command_ends_nothing(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clear_and_signed_in(browser, clearance, person)
    await browser.post("/submit", {"csrf": await browser.csrf()})
    command = (await commands(gateway, person))[0]["command_id"]
    await hear(
        gateway, SubmissionAccepted(attempt_id=command, student_id="TSOTHER01", form_number="X", accepted_at=NOW)
    )
    await hear(
        gateway, SubmissionAccepted(attempt_id=uuid4(), student_id=id_of(person), form_number="X", accepted_at=NOW)
    )
    assert [row["state"] for row in await commands(gateway, person)] == ["asked"]


async def test_a_command_asks_confirms_waits_and_says_why_it_was_refused(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await card_open(clearance, person)
    await browser.sign_in(person)
    assert 'href="/case/library/cancel-card"' in (await browser.get("/case")).text
    confirm = await browser.get("/case/library/cancel-card")
    assert "注销后不能自行恢复" in confirm.text
    token = await browser.csrf()
    for _ in range(2):
        asked = await browser.post("/case/library/cancel-card", {"csrf": token})
        assert asked.headers["location"] == "/case#library-borrowing"
    [command] = await commands(gateway, person)
    [event] = await posted(gateway, person)
    assert isinstance(event, CommandAsked)
    assert (event.department, event.command) == ("library", "cancel-card")
    page = (await browser.get("/case")).text
    assert "等待图书馆处理" in page
    assert 'href="/case/library/cancel-card"' not in page
    refusal = Reason(code="books-not-returned", parameters={"count": 1})
    await hear(
        gateway,
        CommandAnswered(
            command_id=command["command_id"],
            student_id=id_of(person),
            department="library",
            outcome=CommandOutcome.REFUSED,
            reasons=(refusal,),
            answered_at=NOW,
        ),
    )
    page = (await browser.get("/case")).text
    assert "注销未成功：还有 1 册图书未还" in page
    assert 'href="/case/library/cancel-card"' in page


async def test_a_command_that_is_not_offered_cannot_be_asked(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clear_and_signed_in(browser, clearance, person)
    token = await browser.csrf()
    assert (await browser.post("/case/library/cancel-card", {"csrf": token})).status_code == 409
    assert (await browser.post("/case/library/burn-books", {"csrf": token})).status_code == 404
    assert (await browser.post("/case/nobody/cancel-card", {"csrf": token})).status_code == 404
    assert await commands(gateway, person) == []


async def test_what_was_settled_before_says_why_a_command_is_not_possible_any_more_and_whom_to_call(
    browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    """A book is lent while the confirmation is open, or one goes back to it afterwards."""
    await card_open(clearance, person)
    lent = case_samples.blocked().statuses["library"]
    await clearance.put_status(id_of(person), "library", case_samples.checks_of(lent), 4)
    await browser.sign_in(person)
    page = await browser.post("/case/library/cancel-card", {"csrf": await browser.csrf()})
    assert page.status_code == 409
    for words in (
        "暂不能注销",
        "图书馆的记录有变化，请先办理：",
        "还有 2 册图书未还，请到图书馆归还。",
        "tel:051683592019",
    ):
        assert words in page.text
    await clearance.all_clear_library(id_of(person), 5)
    page = await browser.get("/case/library/cancel-card")
    assert page.status_code == 409
    assert "图书馆-图书借阅已通过，无需再次办理。" in page.text


async def hear(gateway: RunningGateway, event: Any) -> None:
    """Apply an event as the inbox does."""
    connection = await asyncpg.connect(gateway.database)
    try:
        async with connection.transaction():
            await end(connection, event)
    finally:
        await connection.close()
