"""Who has the certificate desk, and what is written down of it."""

import asyncpg

from deploy.local.identity.people import Person
from services.kit.audit.chain import verify as verify_chain
from tests.component.gateway.routes.desk.clerks import BOTH, at_desk, audited, check, fields, students
from tests.support.gateway.read_model import ReadModelWriter, SignedForm
from tests.support.gateway.server import BrowserClient, RunningGateway
from tests.support.waiting import eventually


async def test_a_clerk_has_the_desk_and_no_students_page(browser: BrowserClient, clerk: Person) -> None:
    await at_desk(browser, clerk)
    page = await browser.get("/desk")
    assert 'name="form"' in page.text
    assert "autofocus" in page.text
    assert 'href="/case"' not in page.text
    for address in ("/case", "/me", "/completed", "/me/form.pdf", "/submit"):
        refused = await browser.get(address)
        assert (refused.status_code, "当前账号没有学号" in refused.text) == (403, True), address
    assert (await browser.get("/api/v1/case")).status_code == 403
    assert (await browser.get("/")).status_code == 200


async def test_a_student_is_told_in_words_that_this_is_the_desk(browser: BrowserClient, signed: SignedForm) -> None:
    await browser.sign_in(next(students))
    token = await browser.csrf()
    for answer in (await browser.get("/desk"), await check(browser, token, signed.qr_text)):
        assert answer.status_code == 403
        assert "本页仅供证书发放人员使用" in answer.text
        assert signed.form_number not in answer.text


async def test_nobody_checks_without_signing_in(browser: BrowserClient, signed: SignedForm) -> None:
    assert (await browser.get("/desk")).headers["location"] == "/sign-in?next=desk"
    assert (await check(browser, "", signed.qr_text)).status_code == 401


async def test_a_person_who_is_both_has_both(browser: BrowserClient, clearance: ReadModelWriter) -> None:
    assert BOTH.student_id is not None
    await clearance.put_case(BOTH.student_id)
    await at_desk(browser, BOTH)
    assert (await browser.get("/case")).status_code == 200
    assert 'href="/desk"' in (await browser.get("/case")).text


async def test_without_the_pages_token_nothing_is_checked_or_handed_over(
    gateway: RunningGateway, browser: BrowserClient, clerk: Person, signed: SignedForm
) -> None:
    token = await at_desk(browser, clerk)
    form = fields(await check(browser, token, signed.qr_text))
    assert (await check(browser, "x" * 43, signed.qr_text)).status_code == 403
    forged = await browser.post("/desk/issue", {**form, "csrf": "", "taken_by": "self"})
    assert forged.status_code == 403
    assert [act for act, _, _, _ in await audited(gateway, clerk)] == ["form.check"]


async def test_the_desks_audit_is_sealed(
    gateway: RunningGateway, browser: BrowserClient, clerk: Person, signed: SignedForm
) -> None:
    token = await at_desk(browser, clerk)
    await check(browser, token, signed.qr_text)

    async def sealed() -> bool:
        connection = await asyncpg.connect(gateway.database)
        try:
            report = await verify_chain(connection)
        finally:
            await connection.close()
        return report.sealed > 0 and report.unsealed == 0 and not report.problems

    await eventually(sealed, what="every entry to be sealed")
