"""Clerks of the certificate desk, and what they do in a browser."""

import json
import re
from typing import Any

import httpx

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from schemas.events import Reason
from services.kit.names import CERTIFICATE_DESK
from tests.support.gateway.server import BrowserClient, RunningGateway
from tests.support.gateway.visits import rows

CLERKS = tuple(Person(sub=f"clerk-{number}", name="方石", roles=(CERTIFICATE_DESK,)) for number in range(40))
STUDENTS = tuple(Person(sub=f"s-{number}", name="虚构", student_id=new_student_id()) for number in range(8))
BOTH = Person(sub="both", name="纪小满", student_id=new_student_id(), roles=(CERTIFICATE_DESK,))
DEBT = Reason(code="arrears", parameters={"count": 1, "total": "60.00"})
clerks, students = iter(CLERKS), iter(STUDENTS)
"""Each is given out once."""


async def at_desk(browser: BrowserClient, clerk: Person) -> str:
    """Sign the clerk in; the token their forms carry."""
    answer = await browser.sign_in(clerk, place="desk")
    assert answer.headers["location"] == "/desk"
    page = await browser.get("/desk")
    assert page.status_code == 200
    return fields(page)["csrf"]


def fields(page: httpx.Response) -> dict[str, str]:
    """The hidden fields of the page's last form."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))


async def check(browser: BrowserClient, token: str, form: str) -> httpx.Response:
    return await browser.post("/desk", {"csrf": token, "form": form})


async def checked(browser: BrowserClient, clerk: Person, form: str) -> dict[str, str]:
    """Sign the clerk in and check the form; the hidden fields of the page's last form."""
    return fields(await check(browser, await at_desk(browser, clerk), form))


async def audited(gateway: RunningGateway, clerk: Person) -> list[tuple[str, str, str | None, dict[str, Any]]]:
    """What was done with forms, without the clerk's address and the trace of the request."""
    found = await rows(
        gateway.database,
        "SELECT act, outcome, student_id, details FROM audit.entry WHERE actor = $1 AND act !~ '^session'"
        " ORDER BY entry_id",
        clerk.sub,
    )
    details = [json.loads(row["details"]) for row in found]
    assert [one.pop("address") for one in details] == ["127.0.0.1"] * len(found)
    assert all(one.pop("trace") for one in details)
    return [(row["act"], row["outcome"], row["student_id"], one) for row, one in zip(found, details, strict=True)]
