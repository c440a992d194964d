"""Where colleges hand certificates over: each its own students', by the same desk."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.gateway.routes.desk import desk_api, desk_pages
from services.kit.names import CERTIFICATE_DESK, GRADUATE_SCHOOL, college_role, desk_role
from services.kit.postgres.migrations import migrate
from tests.component.gateway.routes.desk.clerks import audited, check, fields
from tests.support.gateway.read_model import ReadModelWriter, carrying
from tests.support.gateway.server import BrowserClient, RunningGateway, running_gateway
from tests.support.paths import ROOT
from tests.support.servers.fixtures import DatabaseMaker

OURS, OTHERS = "信息与控制工程学院", "文理学院"
CLERK = Person(sub="college-clerk", name="简宁", roles=(college_role(OURS),))
OTHER = Person(sub="other-college", name="时雨", roles=(college_role(OTHERS),))
LIBRARY = Person(sub="library", name="方石", roles=(desk_role("library"),))
SCHOOL = Person(sub="school", name="顾长宁", roles=(GRADUATE_SCHOOL,))
SCHOOL_DESK = Person(sub="desk", name="钱映雪", roles=(CERTIFICATE_DESK,))


def by_colleges(folder: Path) -> Path:
    """The configuration of a university whose colleges hand certificates over."""
    copy = folder / "university"
    shutil.copytree(ROOT / "config" / "universities" / "cumt", copy)
    file = copy / "university.toml"
    text = file.read_text("utf-8")
    file.write_text(text.replace('certificates_by = "desk"', 'certificates_by = "colleges"'), "utf-8")
    return copy


@pytest.fixture(scope="module")
async def gateway(
    make_database: DatabaseMaker, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    folder = by_colleges(tmp_path_factory.mktemp("by_colleges"))
    with running_gateway(
        database, read_model, (CLERK, OTHER, LIBRARY, SCHOOL, SCHOOL_DESK), university=folder
    ) as running:
        yield running


@pytest.fixture
async def token(browser: BrowserClient) -> str:
    await browser.sign_in(CLERK, place="desk")
    page = await browser.get("/desk")
    assert page.status_code == 200
    return fields(page)["csrf"]


@pytest.mark.acceptance("C-002")
async def test_a_college_finds_checks_hands_over_and_undoes_for_its_own_student(
    gateway: RunningGateway, clearance: ReadModelWriter, browser: BrowserClient, token: str
) -> None:
    named = await clearance.accept_signed(new_student_id(), name="公孙离")
    signed = await clearance.accept_signed(new_student_id())
    page = (await browser.get("/progress")).text
    assert 'href="/desk"' in page
    found = await check(browser, token, signed.qr_text)
    assert "真实有效" in found.text
    for text in (named.form_number, named.student_id, "公孙离"):
        assert named.form_number in (await check(browser, token, text)).text
    async with carrying(gateway, clearance):
        done = await browser.post("/desk/issue", {**fields(found), "taken_by": "self"})
        assert "已登记领取" in done.text
        undone = await browser.post("/desk/undo", {**fields(done), "reason": "拿错了"})
        assert "已撤销登记" in undone.text
    assert OURS in undone.text


@pytest.mark.acceptance("C-002")
async def test_every_other_colleges_student_is_refused_by_paper_number_and_name(
    gateway: RunningGateway, clearance: ReadModelWriter, browser: BrowserClient
) -> None:
    signed = await clearance.accept_signed(new_student_id(), name="司马懿")
    await browser.sign_in(OTHER, place="desk")
    token = fields(await browser.get("/desk"))["csrf"]
    for text in (signed.qr_text, signed.form_number):
        page = (await check(browser, token, text)).text
        assert "非本学院学生" in page
        assert "司马懿" not in page
        assert signed.student_id not in page
    for text in (signed.student_id, "司马懿"):
        assert "没有找到这个学号或姓名" in (await check(browser, token, text)).text
    body = {"csrf": token, "form_number": signed.form_number, "command_id": "7d1f8f4e-0000-4000-8000-000000000001"}
    for address, more in (("/desk/issue", {"taken_by": "self"}), ("/desk/undo", {"undo_of": body["command_id"]})):
        refused = await browser.post(address, {**body, **more, "reason": "试试"})
        assert (refused.status_code, "非本学院学生" in refused.text) == (409, True)
    answer = await browser.post_json(
        "/api/v1/desk/hand-over",
        {"form_number": signed.form_number, "taken_by": "self"},
        {"X-CSRF-Token": token},
    )
    assert (answer.status_code, answer.json()["finding"]) == (409, "not-yours")
    assert {outcome for act, outcome, *_ in await audited(gateway, OTHER) if act == "form.check"} == {
        "not-yours",
        "unreadable",
    }


@pytest.mark.parametrize(
    ("method", "path"),
    sorted(
        (method, route.path)
        for module in (desk_api, desk_pages)
        for route in module.router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    ),
)
async def test_every_route_of_the_desk_is_open_to_a_college_and_to_no_other_role(
    gateway: RunningGateway, method: str, path: str
) -> None:
    for person, refused in ((CLERK, False), (LIBRARY, True), (SCHOOL, True)):
        browser = BrowserClient(gateway)
        await browser.sign_in(person, place="desk")
        answer = await (browser.get(path) if method == "GET" else browser.post(path))
        of_role = answer.status_code == 403 and ("没有访问权限" in answer.text or ":not-for-you" in answer.text)
        assert of_role == refused, (person.sub, answer.status_code, answer.text[:200])
        await browser.close()


async def test_a_student_who_changed_the_college_is_the_new_ones(
    clearance: ReadModelWriter, browser: BrowserClient, token: str
) -> None:
    signed = await clearance.accept_signed(new_student_id())
    await clearance.change_college(signed.student_id, OTHERS)
    assert "非本学院学生" in (await check(browser, token, signed.qr_text)).text


async def test_the_graduate_schools_desk_still_serves_everybody(
    clearance: ReadModelWriter, browser: BrowserClient
) -> None:
    signed = await clearance.accept_signed(new_student_id())
    await browser.sign_in(SCHOOL_DESK, place="desk")
    token = fields(await browser.get("/desk"))["csrf"]
    assert "真实有效" in (await check(browser, token, signed.qr_text)).text
