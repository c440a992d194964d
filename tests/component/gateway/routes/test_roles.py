"""Who may ask for what: every route of the gateway, and every role. A new route is nobody's until it has a row here."""

import re
from collections.abc import AsyncIterator
from typing import Final

import httpx
import pytest
from fastapi.routing import APIRoute

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.gateway.app import ROUTERS
from services.gateway.i18n.catalogue import catalogue
from services.kit.names import APPROVER, CERTIFICATE_DESK, GRADUATE_SCHOOL, OPERATOR, college_role, desk_role
from services.kit.postgres.migrations import migrate
from tests.support.gateway.server import BrowserClient, RunningGateway, running_gateway
from tests.support.servers.fixtures import DatabaseMaker

NOBODY: Final = "nobody"
PEOPLE: Final = {
    "student": Person(sub="student", name="虚构学生", student_id=new_student_id()),
    "library": Person(sub="library", name="方石", roles=(desk_role("library"),)),
    "finance": Person(sub="finance", name="卫澜", roles=(desk_role("finance"),)),
    "certificates": Person(sub="certificates", name="钱映雪", roles=(CERTIFICATE_DESK,)),
    "school": Person(sub="school", name="顾长宁", roles=(GRADUATE_SCHOOL,)),
    "operator": Person(sub="operator", name="程以恒", roles=(OPERATOR,)),
    "approver": Person(sub="approver", name="陆闻笛", roles=(APPROVER,)),
    "college": Person(sub="college", name="简宁", roles=(college_role("观测学院"),)),
}
SIGNED_IN: Final = frozenset(PEOPLE)
ANYBODY: Final = SIGNED_IN | {NOBODY}
OWNERS: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    (r"/|/language|/verify|/sign-in|/sign-in/(callback|logout-token)|/signed-out|/sign-out|/\.well-known/.*", ANYBODY),
    (r"/sign-in/number|/sessions.*", SIGNED_IN),
    (r"/case.*|/me.*|/completed.*|/submit|/submitted|/favourite", frozenset({"student"})),
    (r"/(api/v1/)?desk(/.*)?", frozenset({"certificates"})),
    (r"/api/v1/.*", frozenset({"student"})),
    (r"/staff", frozenset({"library", "finance"})),
    (r"/staff/.*", frozenset({"library"})),
    (r"/progress.*", frozenset({"school", "college"})),
    (r"POST /exceptions/propose", frozenset({"school"})),
    (r"POST /exceptions/.+", frozenset({"approver"})),
    (r"/exceptions.*", frozenset({"school", "approver"})),
    (r"/roster.*", frozenset({"school"})),
    (r"/operator.*", frozenset({"operator"})),
)
"""Addresses, some with a method before them, and whose they are; the first that fits. `{department}` is the library."""
_FORBIDDEN: Final = re.compile(
    "|".join(
        re.escape(words) for key, words in catalogue("zh").entries.items() if re.fullmatch(r"only\.\w+_title", key)
    )
)
ENDED: Final = "event: ended\ndata: {}\n\n"
"""The stream of a live page that is nobody's any more."""
_EXAMPLES: Final = {"department": "library", "command": "cancel-card", "check": "borrowing", "ordinal": "1"}
_ANY_ID: Final = "7d1f8f4e-0000-4000-8000-000000000000"

ROUTES: Final = sorted(
    (method, route.path)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in route.methods or ()
)


def owners(method: str, path: str) -> frozenset[str]:
    fits = (who for pattern, who in OWNERS if re.fullmatch(pattern, path) or re.fullmatch(pattern, f"{method} {path}"))
    return next(fits, frozenset())


@pytest.fixture(scope="module")
async def gateway(make_database: DatabaseMaker) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    with pytest.MonkeyPatch.context() as patch:
        # A session asks for every route here, and more than it may in a minute.
        patch.setattr("services.gateway.web.guard.SESSION_BURST", 10_000.0)
        with running_gateway(database, read_model, tuple(PEOPLE.values())) as running:
            yield running


@pytest.fixture(scope="module")
async def browsers(gateway: RunningGateway) -> AsyncIterator[dict[str, BrowserClient]]:
    found = {name: BrowserClient(gateway) for name in (*PEOPLE, NOBODY)}
    for name, person in PEOPLE.items():
        await found[name].sign_in(person)
    yield found
    for browser in found.values():
        await browser.close()


async def asked(browser: BrowserClient, method: str, address: str) -> httpx.Response:
    if method == "PUT":
        return await browser.put(address, {})
    return await (browser.get(address) if method == "GET" else browser.post(address))


def refused(answer: httpx.Response) -> bool:
    """For want of a role."""
    if answer.text == ENDED:
        return True
    if answer.status_code != 403:
        return False
    of_api = answer.headers["content-type"].startswith("application/problem+json")
    return answer.json()["type"].endswith(":not-for-you") if of_api else bool(_FORBIDDEN.search(answer.text))


def asked_to_sign_in(answer: httpx.Response) -> bool:
    if answer.text == ENDED:
        return True
    there = answer.status_code == 303 and answer.headers["location"].startswith("/sign-in?next=")
    return there or answer.status_code == 401


def test_every_router_has_only_routes_that_are_looked_at_here() -> None:
    assert all(isinstance(route, APIRoute) for router in ROUTERS for route in router.routes)
    assert len(ROUTES) > 60


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda part: str(part))
async def test_a_route_refuses_every_role_that_has_no_business_there(
    browsers: dict[str, BrowserClient], method: str, path: str
) -> None:
    address = re.sub(r"{(\w+)}", lambda found: _EXAMPLES.get(found[1], _ANY_ID), path)
    wrong = {}
    for name, browser in browsers.items():
        if path == "/case/live" and name in owners(method, path):
            continue  # a stream without an end
        answer = await asked(browser, method, address)
        turned_away = asked_to_sign_in(answer) if name == NOBODY else refused(answer)
        if turned_away == (name in owners(method, path)):
            wrong[name] = (answer.status_code, answer.headers.get("location"), answer.text[:300])
    assert wrong == {}


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("student", "/sessions"),
        ("library", "/staff/library"),
        ("certificates", "/desk"),
        ("school", "/progress"),
        ("school", "/roster"),
        ("approver", "/exceptions"),
        ("operator", "/operator"),
    ],
)
async def test_another_language_leads_back_to_the_page_that_it_was_chosen_on(
    browsers: dict[str, BrowserClient], name: str, address: str
) -> None:
    page = await browsers[name].get(address)
    back = re.search(r'name="back" value="([^"]+)"', page.text)
    assert back is not None, page.text
    answer = await browsers[name].post("/language", {"language": "zh", "back": back[1]})
    assert answer.headers["location"] == address
