"""What is done on a page before it is looked at: a form checked, by the public or by a clerk."""

from datetime import UTC, datetime
from uuid import uuid4

from playwright.async_api import Page

from deploy.local.installation import new_student_id
from schemas.events import OPEN_QUESTION, CertificateIssueAsked, CertificateIssueUndoAsked, Reason, TakenBy
from tests.support.browser.scene_setter import SceneSetter
from tests.support.browser.student_states import ARREARS, RARE, VOID_REASON
from tests.support.gateway.read_model import SignedForm
from tests.support.samples import case_samples


async def verified(scenes: SceneSetter, page: Page) -> None:
    """Somebody asks whether a form is genuine."""
    form = await scenes.clearance.accept_signed(new_student_id())
    await page.locator("#form_number").fill(form.form_number)
    await page.locator("#code").fill(form.code)
    await _enter(page)


async def verified_void(scenes: SceneSetter, page: Page) -> None:
    form = await scenes.clearance.accept_signed(new_student_id())
    await scenes.clearance.void(form.student_id, form.form_number)
    await scenes.clearance.accept_signed(form.student_id, replaces=form.form_number)
    await page.locator("#form_number").fill(form.form_number)
    await page.locator("#code").fill(form.code)
    await _enter(page)


async def not_verified(scenes: SceneSetter, page: Page) -> None:
    await page.locator("#form_number").fill("2026-00000-00000-0")
    await page.locator("#code").fill("00000000")
    await _enter(page)


async def scanned(scenes: SceneSetter, page: Page) -> None:
    """A clerk scans a form."""
    form = await scenes.clearance.accept_signed(new_student_id(), name=RARE)
    await _scan(page, form)


async def scanned_with_waivers(scenes: SceneSetter, page: Page) -> None:
    form = await scenes.clearance.accept_signed(new_student_id(), waivers=case_samples.waived().waivers.exemptions)
    await _scan(page, form)


async def scanned_void(scenes: SceneSetter, page: Page) -> None:
    form = await scenes.clearance.accept_signed(new_student_id(), name=RARE)
    await scenes.clearance.void(form.student_id, form.form_number, VOID_REASON)
    await _scan(page, form)


async def scanned_after_a_debt(scenes: SceneSetter, page: Page) -> None:
    form = await scenes.clearance.accept_signed(new_student_id(), name=RARE)
    await scenes.clearance.open_exception(form.student_id, "finance", ARREARS)
    await _scan(page, form)


async def pressed_unconfirmed(scenes: SceneSetter, page: Page) -> None:
    """Of three matters since the submission, none is ticked."""
    form = await scenes.clearance.accept_signed(new_student_id(), name=RARE)
    await scenes.clearance.open_exception(form.student_id, "finance", ARREARS)
    await scenes.clearance.open_exception(form.student_id, "library", Reason(code=OPEN_QUESTION))
    changed = Reason(code="major-changed", parameters={"was": "控制科学与工程", "now": "管理科学与工程"})
    await scenes.clearance.open_roster_exception(form.student_id, Reason(code="taken-off"), changed)
    await _scan(page, form)
    await page.locator("form.hand-over .button").first.click()
    await page.locator(".wrong").wait_for()


async def scanned_handed_over(scenes: SceneSetter, page: Page) -> None:
    """Handed over to a proxy, undone, and handed over once more although something was open."""
    form = await scenes.clearance.accept_signed(new_student_id(), name=RARE)
    first, now = uuid4(), datetime.now(UTC)
    common = {"student_id": form.student_id, "form_number": form.form_number, "asked_by": "clerk-1", "asked_at": now}
    issue = CertificateIssueAsked(command_id=first, taken_by=TakenBy.PROXY, proxy_name="司马䶮", **common)
    await scenes.clearance.receive_issue(issue)
    undo = CertificateIssueUndoAsked(
        command_id=uuid4(), issue_command_id=first, reason="登记到了别人名下，证书已经当场交回", **common
    )
    await scenes.clearance.receive_issue(undo)
    await scenes.clearance.open_exception(form.student_id, "finance", ARREARS)
    again = CertificateIssueAsked(
        command_id=uuid4(), taken_by=TakenBy.SELF, confirmed=("finance 9",), reason="已缴清，凭证在案", **common
    )
    await scenes.clearance.receive_issue(again)
    await _scan(page, form)


async def scanned_forgery(scenes: SceneSetter, page: Page) -> None:
    form = await scenes.clearance.accept_signed(new_student_id())
    await page.locator("#form").fill(form.qr_text[:-1] + ("B" if form.qr_text.endswith("A") else "A"))
    await _enter(page)


async def _scan(page: Page, form: SignedForm) -> None:
    await page.locator("#form").fill(form.qr_text)
    await _enter(page)


async def _enter(page: Page) -> None:
    await page.keyboard.press("Enter")
    await page.locator(".checked-verdict").wait_for()
