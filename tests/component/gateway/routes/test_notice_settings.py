"""A student's page about notices, kept by the notice service over real HTTP."""

from collections.abc import AsyncIterator

import pytest

from deploy.local.http_clients import local_client
from deploy.local.identity.people import Person
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.gateway.settings import DeskAddress
from services.kit.postgres.migrations import migrate
from tests.support.gateway.server import BrowserClient, RunningGateway, running_gateway
from tests.support.gateway.visits import PEOPLE, STAFF, id_of, rows
from tests.support.notices.served import served_notices
from tests.support.servers.fixtures import DatabaseMaker

PAGE = "/me/notices"


@pytest.fixture(scope="module")
async def contacts_database(make_database: DatabaseMaker) -> str:
    return await make_database("notices")


@pytest.fixture(scope="module")
async def contacts(contacts_database: str) -> AsyncIterator[DeskAddress]:
    with served_notices(contacts_database) as address:
        yield address


@pytest.fixture(scope="module")
async def gateway(make_database: DatabaseMaker, contacts: DeskAddress) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    with running_gateway(database, read_model, (*PEOPLE, STAFF), notices=contacts) as running:
        yield running


async def load(contacts: DeskAddress, person: Person, **body: object) -> bool:
    """As the university's system does."""
    async with local_client(contacts.address) as http:
        headers = {"Authorization": f"Bearer {contacts.bearer()}"}
        answer = await http.put("/contacts", json={"student_id": id_of(person), **body}, headers=headers)
        assert answer.status_code == 200, answer.text
        return bool(answer.json()["kept"])


async def test_a_student_gives_an_address_chooses_and_no_list_replaces_that(
    browser: BrowserClient, person: Person, contacts: DeskAddress, contacts_database: str
) -> None:
    await load(contacts, person, mail="of.the.list@example.edu", wecom="lin.zy")
    await browser.sign_in(person)
    assert f'href="{PAGE}"' in (await browser.get("/me")).text
    page = (await browser.get(PAGE)).text
    assert 'value="of.the.list@example.edu"' in page
    assert 'value="wecom" checked' in page
    assert 'value="dingtalk"' not in page
    form = {"csrf": await browser.csrf(), "mail": " own@example.edu ", "language": "en", "by": "mail"}
    answer = await browser.post(PAGE, form)
    assert answer.headers["location"] == f"{PAGE}?saved=true"
    assert "已保存。" in (await browser.get(f"{PAGE}?saved=true")).text
    assert await load(contacts, person, mail="of.the.list@example.edu") is False
    (kept,) = await rows(contacts_database, "SELECT * FROM contact WHERE student_id = $1", id_of(person))
    assert (kept["mail"], kept["wecom"], kept["language"]) == ("own@example.edu", "lin.zy", "en")
    assert list(kept["muted"]) == ["wecom"]
    (entry,) = await rows(
        contacts_database,
        "SELECT actor, details::text FROM audit.entry"
        " WHERE student_id = $1 AND act = 'contact.keep' AND outcome = 'kept' ORDER BY entry_id DESC LIMIT 1",
        id_of(person),
    )
    assert "student" in entry["actor"]
    assert "example.edu" not in entry["details"]


async def test_an_address_that_is_none_is_shown_again_with_what_to_do_and_nothing_is_kept(
    browser: BrowserClient, person: Person, contacts_database: str
) -> None:
    await browser.sign_in(person)
    answer = await browser.post(PAGE, {"csrf": await browser.csrf(), "mail": "nonsense", "by": "mail"})
    assert answer.status_code == 422
    assert "请填写完整的邮箱地址" in answer.text
    assert 'value="nonsense"' in answer.text
    assert await rows(contacts_database, "SELECT FROM contact WHERE student_id = $1", id_of(person)) == []


async def test_a_post_without_the_pages_token_changes_nothing(
    browser: BrowserClient, person: Person, contacts_database: str
) -> None:
    await browser.sign_in(person)
    answer = await browser.post(PAGE, {"csrf": "x", "mail": "own@example.edu"})
    assert answer.status_code == 403
    assert await rows(contacts_database, "SELECT FROM contact WHERE student_id = $1", id_of(person)) == []


async def test_while_the_notice_service_does_not_answer_the_page_says_so(
    make_database: DatabaseMaker, person: Person
) -> None:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    nowhere = DeskAddress(address="http://127.0.0.1:9", token="a-token-of-nobody-at-all")
    with running_gateway(database, read_model, (person,), notices=nowhere) as running:
        browser = BrowserClient(running)
        await browser.sign_in(person)
        answer = await browser.get(PAGE)
        assert answer.status_code == 503
        assert "暂时无法读取通知设置" in answer.text
        await browser.close()
