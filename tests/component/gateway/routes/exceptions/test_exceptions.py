"""An exception for a student's check: one person proposes, another decides, and nobody decides their own."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.gateway.staff.roster import approvals
from services.kit.names import APPROVER, GRADUATE_SCHOOL
from services.kit.postgres.migrations import migrate
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.roster import served_roster
from tests.support.gateway.server import BrowserClient, RunningGateway, running_gateway
from tests.support.gateway.visits import rows
from tests.support.servers.fixtures import DatabaseMaker

SCHOOL = Person(sub="school", name="顾长宁", roles=(GRADUATE_SCHOOL,))
APPROVING = Person(sub="approving", name="陆闻笛", roles=(APPROVER,))
BOTH = Person(sub="both", name="时雨", roles=(GRADUATE_SCHOOL, APPROVER))
UNTIL = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()


@pytest.fixture(scope="module")
async def gateway(make_database: DatabaseMaker) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    people = (SCHOOL, APPROVING, BOTH)
    with (
        served_roster(read_model) as roster,
        running_gateway(database, read_model, people, roster=roster) as running,
    ):
        yield running


@pytest.fixture
async def student(gateway: RunningGateway) -> str:
    number = new_student_id()
    await ReadModelWriter(gateway.read_model).put_case(number, name="贺兰雪")
    return number


async def at(browser: BrowserClient, person: Person) -> str:
    """Signs in; the page."""
    await browser.sign_in(person, place="exceptions")
    answer = await browser.get("/exceptions")
    assert answer.status_code == 200, answer.text
    return answer.text


def fields(page: str) -> dict[str, str]:
    return dict(re.findall(r'name="(csrf|key)" value="([^"]*)"', page))


async def proposed(browser: BrowserClient, page: str, number: str, **other: str) -> httpx.Response:
    form = {
        "action": "release",
        "student": number,
        "check": "library.thesis",
        "reason": "已核对纸质凭证",
        "until": UNTIL,
    }
    return await browser.post("/exceptions/propose", {**fields(page), **form, **other})


def proposal_of(page: str, student: str) -> str:
    """Its number: of the last proposal that names the student."""
    pieces = re.split(r'id="proposal-(\d+)"', page)
    return next(number for number, text in zip(pieces[1::2], pieces[2::2], strict=True) if student in text)


async def test_what_one_person_proposes_another_confirms_and_both_are_named(
    gateway: RunningGateway, browser: BrowserClient, student: str
) -> None:
    page = await at(browser, SCHOOL)
    done = await proposed(browser, page, student.lower())
    assert done.status_code == 200, done.text
    assert "等待另一人决定" in done.text
    number = proposal_of(done.text, student)
    assert "本人提出的特批须由另一人决定" in done.text
    again = await proposed(browser, page, student)
    assert again.text.count(student) == 1
    second = BrowserClient(gateway)
    waiting = await at(second, APPROVING)
    assert "提出人：顾长宁 (school)" in waiting
    assert "贺兰雪" in waiting
    confirmed = await second.post(f"/exceptions/{number}/confirm", {"csrf": fields(waiting)["csrf"]})
    assert "已批准，特批生效" in confirmed.text
    assert "顾长宁 (school) · 陆闻笛 (approving)" in confirmed.text
    late = await second.post(f"/exceptions/{number}/refuse", {"csrf": fields(waiting)["csrf"], "why": "材料不全"})
    assert late.status_code == 409
    assert "已有结果或已过期" in late.text
    await second.close()
    stored = await rows(gateway.read_model, "SELECT kind FROM exemption WHERE student_id = $1", student)
    assert [row["kind"] for row in stored] == ["released"]


async def test_nobody_decides_what_they_have_proposed_also_under_another_name(
    gateway: RunningGateway, browser: BrowserClient, student: str
) -> None:
    page = await at(browser, BOTH)
    done = await proposed(browser, page, student)
    number = proposal_of(done.text, student)
    assert f'action="/exceptions/{number}/confirm"' not in done.text
    await rows(gateway.database, "UPDATE staff_person SET name = '新名' WHERE subject = 'both'")
    for act, other in (("confirm", {}), ("refuse", {"why": "材料不全"})):
        answer = await browser.post(f"/exceptions/{number}/{act}", {"csrf": fields(page)["csrf"], **other})
        assert answer.status_code == 403
        assert "须由另一人决定" in answer.text
    stored = await rows(gateway.read_model, "SELECT state FROM proposal WHERE student_id = $1", student)
    assert [row["state"] for row in stored] == ["open"]


async def test_it_is_refused_with_a_reason(gateway: RunningGateway, browser: BrowserClient, student: str) -> None:
    first = BrowserClient(gateway)
    number = proposal_of((await proposed(first, await at(first, SCHOOL), student)).text, student)
    await first.close()
    csrf = fields(await at(browser, APPROVING))["csrf"]
    empty = await browser.post(f"/exceptions/{number}/refuse", {"csrf": csrf, "why": "  "})
    assert empty.status_code == 422
    assert "请填写驳回的理由" in empty.text
    refused = await browser.post(f"/exceptions/{number}/refuse", {"csrf": csrf, "why": "证明材料不全"})
    assert "已驳回" in refused.text
    assert student not in refused.text


async def test_a_list_that_is_cut_says_so(
    gateway: RunningGateway, browser: BrowserClient, student: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, second = new_student_id(), BrowserClient(gateway)
    await ReadModelWriter(gateway.read_model).put_case(other, name="贺兰雪")
    at_school, approving = await at(browser, SCHOOL), await at(second, APPROVING)
    for number in (student, other):
        at_school = (await proposed(browser, at_school, number)).text
        decided = f"/exceptions/{proposal_of(at_school, number)}/confirm"
        assert (await second.post(decided, {"csrf": fields(approving)["csrf"]})).status_code == 200
    monkeypatch.setattr(approvals, "_LIMIT", 1)
    assert '生效中的特批 <span class="num">1+</span>' in (await second.get("/exceptions")).text
    await second.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"student": "不是学号!"}, 'id="student_id-wrong">不是学号'),
        ({"student": "TS00000000"}, 'id="student_id-wrong">离校名单上没有这个学号'),
        ({"reason": " "}, 'id="reason-wrong">请填写此项'),
        ({"until": ""}, 'id="until-wrong">请填写此项'),
        ({"until": "2020-01-01"}, 'id="until-wrong">这一天已经过去'),
        ({"action": "withdraw-exemption"}, 'id="check-wrong">该事项没有生效中的特批'),
    ],
    ids=lambda one: str(one)[:30],
)
async def test_what_is_wrong_is_said_at_its_field(
    browser: BrowserClient, student: str, change: dict[str, str], words: str
) -> None:
    answer = await proposed(browser, await at(browser, SCHOOL), student, **change)
    assert answer.status_code in (404, 409, 422)
    assert words in answer.text
