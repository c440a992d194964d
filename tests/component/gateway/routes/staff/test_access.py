"""Whose desk opens to whom: every route refuses every role but its department's."""

import httpx
import pytest
from fastapi.routing import APIRoute

from deploy.local.identity.people import Person
from services.gateway.routes.staff import STAFF_ROUTERS
from tests.component.gateway.routes.staff.working import (
    CERTIFICATES,
    EVERYWHERE,
    FINANCE,
    LIBRARY,
    STUDENT,
    AtWork,
)
from tests.support.gateway.server import BrowserClient

ROUTES = sorted(
    {
        (method, route.path)
        for router in STAFF_ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
)
OTHERS = {"another department": FINANCE, "certificate desk": CERTIFICATES, "student": STUDENT}


async def asked(browser: BrowserClient, method: str, path: str, csrf: str = "") -> httpx.Response:
    address = path.replace("{department}", "library")
    return await (browser.get(address) if method == "GET" else browser.post(address, {"csrf": csrf}))


def test_the_matrix_has_routes() -> None:
    assert ("POST", "/staff/{department}/operate") in ROUTES
    assert len(ROUTES) >= 8


@pytest.mark.parametrize(("method", "path"), [one for one in ROUTES if "{department}" in one[1]], ids=" ".join)
@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
async def test_a_departments_route_refuses_every_other_role(
    browser: BrowserClient, other: Person, method: str, path: str
) -> None:
    await browser.sign_in(other)
    answer = await asked(browser, method, path)
    assert answer.status_code == 403
    assert "本页仅供本部门的工作人员使用" in answer.text


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=" ".join)
async def test_who_is_not_signed_in_is_asked_to(browser: BrowserClient, method: str, path: str) -> None:
    answer = await asked(browser, method, path)
    if method == "GET":
        assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?next={path.split('/')[1]}")
    else:
        assert answer.status_code == 401


@pytest.mark.parametrize(("method", "path"), [one for one in ROUTES if one[0] == "POST"], ids=" ".join)
async def test_a_form_without_the_sessions_token_does_nothing(browser: BrowserClient, method: str, path: str) -> None:
    await browser.sign_in(LIBRARY)
    answer = await browser.post(
        path.replace("{department}", "library"), {"csrf": "another", "after": "T", "since": "2026-06-01T00:00:00Z"}
    )
    assert answer.status_code == 403


async def test_one_desk_opens_at_once_and_several_are_offered(browser: BrowserClient) -> None:
    answer = await browser.sign_in(LIBRARY)
    assert answer.headers["location"] == "/staff"
    assert (await browser.get("/staff")).headers["location"] == "/staff/library"
    await browser.sign_in(EVERYWHERE)
    page = (await browser.get("/staff")).text
    for name in ("library", "archives", "dorm", "finance"):
        assert f'href="/staff/{name}"' in page


async def test_a_department_that_does_not_exist_is_not_found(browser: BrowserClient) -> None:
    await browser.sign_in(LIBRARY)
    assert (await browser.get("/staff/nowhere")).status_code == 404


async def test_a_desk_without_an_address_shows_its_list_and_says_so(browser: BrowserClient) -> None:
    desk = await AtWork.signed_in(browser, EVERYWHERE, "dorm")
    assert "部门系统暂时没有响应" in desk.page
    answer = await desk.search("TS20260001")
    assert answer.status_code == 503
    assert "部门系统没有响应" in answer.text
