"""Checks that a student does not need: on the page, in JSON and on the form."""

from datetime import UTC, datetime, timedelta

from deploy.local.identity.people import Person
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient
from tests.support.gateway.visits import id_of
from tests.support.samples import case_samples
from tests.support.samples.case_samples import DEBT_RELEASE, THESIS_WAIVER


async def without_thesis(clearance: ReadModelWriter, student_id: str) -> None:
    """Clear but for the thesis."""
    await clearance.put_case(student_id)
    await clearance.all_clear(student_id)
    borrowing, thesis = case_samples.checks_of(case_samples.waived().statuses["library"])
    await clearance.put_status(student_id, "library", [borrowing, thesis], version=4)


async def thesis_of(browser: BrowserClient) -> dict[str, object]:
    checks = (await browser.get("/api/v1/checks")).json()
    (found,) = [one for one in checks if (one["department"], one["check"]) == ("library", "thesis")]
    return dict(found)


async def test_an_exemption_turns_the_check_grey_and_the_submission_possible(
    browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await without_thesis(clearance, id_of(person))
    await browser.sign_in(person)
    assert (await thesis_of(browser))["state"] == "blocked"
    await clearance.exempt(id_of(person), THESIS_WAIVER)
    thesis = await thesis_of(browser)
    assert (thesis["state"], thesis["todo"]) == ("waived", [])
    assert thesis["waiver"] == {"kind": "not-applicable", "reason": "涉密论文，由导师归档", "until": "2026-12-31"}
    assert thesis["reasons"] == [{"code": "thesis-none", "parameters": {}}], "what the department says is kept"
    page = (await browser.get("/case")).text
    assert "无需办理：涉密论文，由导师归档（有效期至2026年12月31日）" in page
    assert "4 项已通过，1 项无需办理" in page
    assert "clerk-" not in page, "who decided is for the audit log"
    assert (await browser.get("/api/v1/submission")).json()["state"] == "ready"
    answer = await browser.post("/submit", {"csrf": await browser.csrf()})
    assert answer.status_code == 303


async def test_an_exemption_that_has_ended_or_was_withdrawn_waives_nothing(
    browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await without_thesis(clearance, id_of(person))
    await browser.sign_in(person)
    await clearance.exempt(id_of(person), THESIS_WAIVER, ends_at=datetime.now(UTC) - timedelta(seconds=1))
    assert (await thesis_of(browser))["state"] == "blocked"
    await clearance.withdraw_exemptions(id_of(person))
    await clearance.exempt(id_of(person), THESIS_WAIVER)
    assert (await thesis_of(browser))["state"] == "waived"
    await clearance.withdraw_exemptions(id_of(person))
    assert (await thesis_of(browser))["state"] == "blocked"
    refused = await browser.post("/submit", {"csrf": await browser.csrf()})
    assert refused.status_code == 409


async def test_another_students_exemption_is_not_ones_own(
    browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await without_thesis(clearance, id_of(person))
    other = case_samples.case().student_id
    await clearance.put_case(other)
    await clearance.exempt(other, THESIS_WAIVER)
    await browser.sign_in(person)
    assert (await thesis_of(browser))["state"] == "blocked"


async def test_the_form_and_its_pdf_keep_what_it_was_accepted_with(
    browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clearance.accept_signed(id_of(person), waivers=(THESIS_WAIVER, DEBT_RELEASE))
    await browser.sign_in(person, place="completed")
    form = (await browser.get("/completed")).text
    for words in ("无需办理：涉密论文，由导师归档", "特批放行：已核对缴费凭证（有效期至2026年7月1日）"):
        assert words in form
    pdf = await browser.get("/me/form.pdf")
    assert (pdf.status_code, pdf.content[:5]) == (200, b"%PDF-")
