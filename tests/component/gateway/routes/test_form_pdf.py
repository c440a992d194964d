"""The PDF of the form over real HTTP: the student's own, with everything the desk needs, on one page."""

import asyncio
import io
from collections.abc import AsyncIterator
from urllib.parse import unquote

import pytest
from pdfminer.high_level import extract_text
from pdfminer.pdfpage import PDFPage

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.kit.postgres.migrations import migrate
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, RunningGateway, running_gateway
from tests.support.servers.fixtures import DatabaseMaker

RARE = "䶮㛃𠮷𬭚𰻝"
PEOPLE = tuple(Person(sub=f"u-{number}", name="虚构", student_id=new_student_id()) for number in range(6))


@pytest.fixture(scope="module")
async def gateway(make_database: DatabaseMaker) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    with running_gateway(database, read_model, PEOPLE) as running:
        yield running


async def test_a_student_downloads_their_form_with_everything_the_desk_needs(
    gateway: RunningGateway, browser: BrowserClient
) -> None:
    student_id = PEOPLE[0].student_id
    assert student_id is not None
    signed = await ReadModelWriter(gateway.read_model).accept_signed(student_id, name=RARE)
    await browser.sign_in(PEOPLE[0])
    assert 'href="/me/form.pdf"' in (await browser.get("/completed")).text
    answer = await browser.get("/me/form.pdf")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    disposition = answer.headers["content-disposition"]
    assert disposition.startswith("attachment;")
    assert f"离校流程单-{signed.form_number}.pdf" in unquote(disposition)
    assert answer.headers["cache-control"] == "no-store"
    text = extract_text(io.BytesIO(answer.content))
    for words in (RARE, student_id, signed.form_number, signed.code, "离校流程单", "南湖校区", "2023年9月1日"):
        assert words in text, words
    assert f"{gateway.address}/verify" in text
    assert len(list(PDFPage.get_pages(io.BytesIO(answer.content)))) == 1
    assert (await browser.get("/me/form.pdf")).content == answer.content


async def test_the_form_is_as_signed_whatever_the_roster_says_later(
    gateway: RunningGateway, browser: BrowserClient
) -> None:
    student_id = PEOPLE[1].student_id
    assert student_id is not None
    clearance = ReadModelWriter(gateway.read_model)
    await clearance.accept_signed(student_id, name="欧阳㛃")
    await clearance._run("UPDATE student_case SET name = '改名后', version = 3 WHERE student_id = $1", student_id)
    await browser.sign_in(PEOPLE[1])
    text = extract_text(io.BytesIO((await browser.get("/me/form.pdf")).content))
    assert "欧阳㛃" in text
    assert "改名后" not in text


async def test_without_an_accepted_submission_there_is_no_form(gateway: RunningGateway, browser: BrowserClient) -> None:
    student_id = PEOPLE[2].student_id
    assert student_id is not None
    await ReadModelWriter(gateway.read_model).put_case(student_id)
    await browser.sign_in(PEOPLE[2])
    assert (await browser.get("/me/form.pdf")).status_code == 404


async def test_nobody_signed_in_gets_no_form(browser: BrowserClient) -> None:
    assert (await browser.get("/me/form.pdf")).headers["location"] == "/sign-in?next=case"


async def test_one_students_many_requests_do_not_keep_another_from_printing(gateway: RunningGateway) -> None:
    clearance, browsers = ReadModelWriter(gateway.read_model), [BrowserClient(gateway), BrowserClient(gateway)]
    for browser, person in zip(browsers, PEOPLE[4:], strict=True):
        await clearance.accept_signed(person.student_id or "")
        await browser.sign_in(person)
    greedy, other = browsers
    many = [asyncio.create_task(greedy.get("/me/form.pdf")) for _ in range(50)]
    await asyncio.sleep(0.05)
    answer = await other.get("/me/form.pdf")
    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() < 8
    assert {one.status_code for one in await asyncio.gather(*many)} == {200}
    for browser in browsers:
        await browser.close()
