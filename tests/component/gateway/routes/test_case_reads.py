"""A kept page is the page that would be made now: whatever it shows changes, the next answer shows it."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from deploy.local.http_clients import local_client
from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from schemas.events import Reason
from services.gateway.routes.student import case_reads
from services.kit.names import CERTIFICATE_DESK
from services.kit.rules.waivers import Waiver, WaiverKind
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, RunningGateway
from tests.support.gateway.visits import card_open, clear_and_signed_in, id_of, rows
from tests.support.samples import case_samples
from tests.support.waiting import eventually

DEBT = Reason(code="arrears", parameters={"count": 1, "total": "8000.00"})
EXEMPTION = Waiver(
    department="finance", check="arrears", kind=WaiverKind.NOT_APPLICABLE, reason="从未收费", until=date(2099, 7, 1)
)
Change = Callable[[RunningGateway, ReadModelWriter, str], Awaitable[object]]

_DISPUTED = "UPDATE status SET disputed = true WHERE student_id = $1 AND department = 'dorm'"
_UNREADABLE = "UPDATE status SET version = 0, status = NULL WHERE student_id = $1 AND department = 'dorm'"
_RECEIVED = "UPDATE status SET heard_at = heard_at - interval '1 day' WHERE student_id = $1"
_NAME = "UPDATE student_case SET name = '沈小山' WHERE student_id = $1"
_NOT_SERVED = "UPDATE student_case SET state = 'not-served' WHERE student_id = $1"
_OPENED = """
INSERT INTO attempt (attempt_id, student_id, state, required, opened_at, expires_at)
VALUES ($2, $1, 'open', '{library}', now(), now() + interval '10 min')
"""
_CLERK = "UPDATE session SET roles = $2 WHERE student_id = $1"
_ASKED = """
INSERT INTO command (command_id, student_id, department, name, asked_at)
VALUES ($2, $1, 'library', 'cancel-card', now())
"""


async def _debt(gateway: RunningGateway, clearance: ReadModelWriter, student: str) -> None:
    blocked = case_samples.check("arrears", {"total": "8000.00", "charges": []}, DEBT)
    await clearance.put_status(student, "finance", [blocked], version=2)


async def _debt_under_a_former_number(gateway: RunningGateway, clearance: ReadModelWriter, student: str) -> None:
    await clearance.join(student, former := new_student_id())
    await clearance.all_clear(former)
    await _debt(gateway, clearance, former)


async def _exempt_from_a_debt(gateway: RunningGateway, clearance: ReadModelWriter, student: str) -> None:
    await clearance.exempt(student, EXEMPTION)


async def _accepted(gateway: RunningGateway, clearance: ReadModelWriter, student: str) -> None:
    await clearance.accept(student, f"LX-{student[-8:]}", "ABCD-EFGH", "qr")


async def _alive_mark(gateway: RunningGateway, clearance: ReadModelWriter, student: str) -> None:
    await clearance.put_alive_mark("dorm")


def _in_view(statement: str, *values: object) -> Change:
    return lambda gateway, clearance, student: rows(gateway.read_model, statement, student, *values)


def _in_own_tables(statement: str, *values: object) -> Change:
    return lambda gateway, clearance, student: rows(gateway.database, statement, student, *values)


CHANGES = {
    "a debt": _debt,
    "a debt under a former number": _debt_under_a_former_number,
    "an exemption": _exempt_from_a_debt,
    "a status in dispute": _in_view(_DISPUTED),
    "an unreadable status": _in_view(_UNREADABLE),
    "when a status was received": _in_view(_RECEIVED),
    "the name on the roster": _in_view(_NAME),
    "a service not for this student": _in_view(_NOT_SERVED),
    "an attempt": _in_view(_OPENED, uuid4()),
    "an alive mark": _alive_mark,
    "the role of a clerk": _in_own_tables(_CLERK, [CERTIFICATE_DESK]),
    "a command": _in_own_tables(_ASKED, uuid4()),
    "an accepted submission": _accepted,
}


async def answers(browser: BrowserClient) -> tuple[str, str]:
    return (await browser.get("/case")).text, (await browser.get("/api/v1/case")).text


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_kept_answer_is_never_older_than_what_it_shows(
    gateway: RunningGateway,
    browser: BrowserClient,
    clearance: ReadModelWriter,
    person: Person,
    monkeypatch: pytest.MonkeyPatch,
    change: Change,
) -> None:
    await card_open(clearance, person)
    await browser.sign_in(person)
    before = await answers(browser)
    assert await answers(browser) == before
    await change(gateway, clearance, id_of(person))
    kept = await answers(browser)
    assert kept != before
    monkeypatch.setattr(case_reads, "PATHS", ())
    assert kept == await answers(browser)


async def test_a_student_reads_in_the_language_of_each_request(
    browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clear_and_signed_in(browser, clearance, person)
    chinese = await answers(browser)
    await browser.post("/language", {"language": "en", "back": "/case"})
    english = await answers(browser)
    await browser.post("/language", {"language": "zh", "back": "/case"})
    assert await answers(browser) == chinese
    assert english[0] != chinese[0]
    assert english[1] != chinese[1]


async def test_two_browsers_of_a_student_get_the_same_page_each_with_its_own_token(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clear_and_signed_in(browser, clearance, person)
    other = BrowserClient(gateway)
    await other.sign_in(person)
    tokens = [await one.csrf() for one in (browser, other)]
    pages = [(await one.get("/case")).text for one in (browser, other)]
    await other.close()
    assert tokens[0] != tokens[1]
    assert [pages[0].count(token) for token in tokens] == [1, 0]
    assert pages[0].replace(tokens[0], tokens[1]) == pages[1]


async def test_a_session_that_ended_elsewhere_reads_nothing_more(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clear_and_signed_in(browser, clearance, person)
    assert (await browser.get("/case")).status_code == 200
    await rows(gateway.database, "DELETE FROM session WHERE student_id = $1", id_of(person))
    assert (await browser.get("/case")).status_code == 303
    assert (await browser.get("/api/v1/case")).status_code == 401


async def test_reading_the_page_postpones_the_idle_timeout(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clear_and_signed_in(browser, clearance, person)
    seen = "UPDATE session SET seen_at = now() - interval '2 min' WHERE student_id = $1"
    await rows(gateway.database, seen, id_of(person))
    await browser.get("/case")
    [row] = await rows(gateway.database, "SELECT seen_at FROM session WHERE student_id = $1", id_of(person))
    assert datetime.now(UTC) - row["seen_at"] < timedelta(minutes=1)


async def test_a_department_that_falls_silent_turns_grey_though_nothing_is_written(
    browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clear_and_signed_in(browser, clearance, person)
    await clearance.put_alive_mark("dorm", datetime.now(UTC) - timedelta(seconds=57))

    async def states() -> tuple[str, str]:
        page, twin = await answers(browser)
        [in_twin] = [one["state"] for one in json.loads(twin)["checks"] if one["department"] == "dorm"]
        return page.split('id="dorm-check-out"')[1].split('data-state="')[1].split('"')[0], in_twin

    assert await states() == ("clear", "clear")

    async def silent() -> bool:
        return await states() == ("waiting", "waiting")

    await eventually(silent, what="the silent department's check to wait", poll_s=0.5)


async def test_requests_of_the_case_are_measured(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clear_and_signed_in(browser, clearance, person)
    await answers(browser)
    async with local_client(gateway.operator_address) as operator:
        metrics = (await operator.get("/metrics")).text
    for path in case_reads.PATHS:
        assert f'http_route="{path}"' in metrics
