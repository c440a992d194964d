"""What happens in the installation while a student looks: records to begin with, desks that act, lines that turn."""

from typing import Any, Final

from playwright.async_api import Page, expect

from deploy.local.identity.people import Person
from deploy.local.installation import Installation
from schemas.flows import CLEARANCE
from services.kit.names import CERTIFICATE_DESK
from tests.support.gateway.server import sign_in
from tests.support.waiting import eventually

ROOM: Final = {"campus": "南湖校区", "building": "梅苑2号楼", "room": "A3071"}
OUT: Final = {**ROOM, "checked_out_on": "2026-06-05", "handler": "纪小满"}
CHARGES: Final = [
    {"charge_id": "C-1", "year": "2024", "name": "代收取暖费", "amount": "60.00"},
    {"charge_id": "C-2", "year": "2025", "name": "学分学费", "amount": "550.00"},
    {"charge_id": "C-3", "year": "2025", "name": "代收取暖费", "amount": "72.40"},
]
OPEN: Final[dict[str, dict[str, Any]]] = {
    "library": {
        "card": "active",
        "thesis": "approved",
        "loans": [{"barcode": "B0042871", "title": "矿山压力", "due_on": "2026-06-20"}],
    },
    "archives": {"thesis": "submitted"},
    "finance": {"charges": CHARGES},
    "dorm": {"residences": [ROOM]},
}
"""Something to do everywhere."""
CLEAR: Final[dict[str, dict[str, Any]]] = {
    "library": {"card": "cancelled", "thesis": "approved"},
    "archives": {"thesis": "approved"},
    "finance": {"charges": []},
    "dorm": {"residences": [OUT]},
}
ONLY_THE_CARD: Final = {**CLEAR, "library": {"card": "active", "thesis": "approved"}}
LONG_MS: Final = 30_000
CLERK: Final = Person(sub="clerk", name="钱映雪", roles=(CERTIFICATE_DESK,))


async def student(
    installation: Installation, records: dict[str, dict[str, Any]], *, name: str = "欧阳䶮㛃𠮷𬭚"
) -> Person:
    """Somebody on the roster of whom the departments know `records`, all of it in the view."""
    person = installation.person()
    student_id = person.student_id or ""
    for department, record in records.items():
        # A charge names its student, as it does in the guide's table.
        charges = [{**charge, "student_id": student_id} for charge in record.get("charges", ())]
        await installation.put(department, student_id, {**record, "charges": charges} if charges else record)
    await installation.enrol(student_id, name=name)
    for department in records:
        await installation.opened(department, [student_id])
    await installation.in_step()
    return person


async def cookies(installation: Installation, person: Person) -> dict[str, str]:
    """Of a browser in which the person has signed in."""
    browser = await sign_in(installation, person)
    kept = dict(browser.cookies)
    await browser.close()
    return kept


async def choose_person(page: Page, person: Person) -> None:
    """On the identity provider's page: look oneself up by student number, and choose."""
    await page.get_by_role("searchbox").fill(person.student_id or "")
    await page.get_by_role("button", name="查找").click()
    await page.get_by_role("button", name=person.student_id or "").click()


async def shows(page: Page, line: str, verdict: str) -> None:
    """Wait until a line's verdict is `verdict`."""
    await expect(page.locator(f"#{line} .verdict")).to_have_text(verdict, timeout=LONG_MS)


async def is_done(page: Page) -> str:
    """Wait until the page says that the submission was accepted; the form's number."""
    accepted = page.locator("[data-form-number]")
    await expect(accepted).to_be_visible(timeout=LONG_MS)
    number = await accepted.get_attribute("data-form-number")
    assert number
    return number


async def attempts(installation: Installation, person: Person) -> list[str]:
    """How each attempt of the person to submit ended, at the clearance."""
    connection = await installation.database(CLEARANCE)
    rows = await connection.fetch("SELECT state FROM attempt WHERE student_id = $1", person.student_id)
    return [row["state"] for row in rows]


async def when_free(installation: Installation, department: str, operation: str, **body: Any) -> None:
    """An operation at a desk, again until the department has let go of the student's record."""

    async def done() -> bool:
        answer = await installation.client(department).post(
            f"/operations/{operation}", json=body, headers={"Idempotency-Key": f"{operation}-{body['student_id']}"}
        )
        assert answer.status_code in (200, 423), answer.text
        return answer.status_code == 200

    await eventually(done, what=f"{department} to let go")
