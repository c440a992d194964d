"""What a student's browser got is what is kept of it, for every instant; and nothing is kept of who was forgotten."""

import html
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from services.gateway.migration_folders import GATEWAY_FOLDERS
from services.gateway.retention import TABLES
from services.gateway.shown import recorder
from services.gateway.shown.as_it_was import PageThen, page_at
from services.gateway.shown.document import Kept, ShownDocument, ShownPage, encoded
from services.gateway.shown.recorder import ShownPages
from services.gateway.shown.table import ShownHistory
from services.kit.audit.log import append_entry
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import open_pool
from services.kit.retention.erasing import erase
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, Events, RunningGateway, running_gateway
from tests.support.gateway.visits import PEOPLE, STAFF, card_open, id_of
from tests.support.waiting import eventually

_TAG = re.compile(r"<[^>]+>")


@pytest.fixture
async def pool(gateway: RunningGateway) -> AsyncIterator["asyncpg.Pool[Any]"]:
    opened = await open_pool(gateway.database, name="shown")
    yield opened
    await opened.close()


async def kept(pool: "asyncpg.Pool[Any]", person: Person, count: int) -> tuple[Kept, ...]:
    """The history, once it has so many pages."""
    found: tuple[Kept, ...] = ()

    async def written() -> bool:
        nonlocal found
        found = await ShownHistory(pool).of(id_of(person))
        return len(found) >= count

    await eventually(written, what=f"{count} pages to be kept", timeout_s=30)
    assert len(found) == count
    return found


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(_TAG.sub(" ", page)))


def differs(page: PageThen, got: str) -> list[str]:
    """What the document has and the page did not show."""
    document, shown = page.kept.document, text_of(got).replace(" ", "")
    words = [*document.headline, *document.submission]
    for line in document.lines:
        words += [line.title, line.verdict, *line.words]
        words += [each for fact in line.facts for each in fact]
        words += [cell for table in line.tables for row in table.rows for cell in row]
    return [each for each in words if text_of(each).replace(" ", "") not in shown]


async def test_at_each_instant_the_page_is_the_one_that_the_browser_got(
    browser: BrowserClient, clearance: ReadModelWriter, person: Person, pool: "asyncpg.Pool[Any]"
) -> None:
    await card_open(clearance, person)
    await browser.sign_in(person)
    before = datetime.now(UTC)
    first = (await browser.get("/case")).text
    assert (await browser.get("/case")).text == first
    between = datetime.now(UTC)
    await clearance.all_clear_library(id_of(person), version=3)
    second = (await browser.get("/case")).text
    after = datetime.now(UTC)
    history = await kept(pool, person, 2)
    then, now = page_at(history, between), page_at(history, after)
    assert page_at(history, before) is None
    assert then is not None
    assert now is not None
    assert (differs(then, first), differs(now, second)) == ([], [])
    assert differs(now, first) != []
    card = next(one for one in then.lines if one.line.anchor == "library-borrowing")
    assert (card.line.verdict, card.line.version, card.line.state) == ("未通过", 2, "blocked")
    assert card.next is not None
    assert (card.next.verdict, card.next.version, card.next_at) == ("通过", 3, now.kept.since)
    thesis = next(one for one in now.lines if one.line.anchor == "dorm-check-out")
    assert (thesis.since, thesis.began) == (then.kept.since, True)
    assert before < then.kept.since < between < now.kept.since < after


async def test_what_an_open_page_turned_to_is_kept_and_a_page_shown_twice_is_kept_once(
    browser: BrowserClient, clearance: ReadModelWriter, person: Person, pool: "asyncpg.Pool[Any]"
) -> None:
    await card_open(clearance, person)
    await browser.sign_in(person)
    await browser.get("/case")
    async with browser.stream("/case/live") as response:
        events = Events(response)
        await events.next()
        await clearance.all_clear_library(id_of(person), version=3)
        await clearance.notify()
        _, data = await events.next()
    history = await kept(pool, person, 2)
    newest = page_at(history, datetime.now(UTC))
    assert newest is not None
    assert [one for one in differs(newest, data["html"]) if one not in newest.kept.document.headline] == []


async def test_another_process_that_shows_the_same_page_adds_nothing(
    gateway: RunningGateway,
    browser: BrowserClient,
    clearance: ReadModelWriter,
    person: Person,
    pool: "asyncpg.Pool[Any]",
) -> None:
    await card_open(clearance, person)
    await browser.sign_in(person)
    await browser.get("/case")
    (once,) = await kept(pool, person, 1)
    with running_gateway(gateway.database, gateway.read_model, (*PEOPLE, STAFF)) as second:
        other = BrowserClient(second)
        other.cookies.update(browser.cookies)
        assert (await other.get("/case")).status_code == 200

        async def again() -> bool:
            (found,) = await ShownHistory(pool).of(id_of(person))
            return found.until > once.until

        await eventually(again, what="the page to be shown again", timeout_s=30)
        await other.close()


def page(words: str) -> ShownPage:
    document = ShownDocument(standing="open", headline=(words,), submission=())
    return ShownPage(encoded(document))


@pytest.fixture
async def own(database: str) -> AsyncIterator["asyncpg.Pool[Any]"]:
    await migrate(database, GATEWAY_FOLDERS)
    opened = await open_pool(database, name="shown")
    yield opened
    await opened.close()


async def headlines(pool: "asyncpg.Pool[Any]", student_id: str) -> list[str]:
    return [one.document.headline[0] for one in await ShownHistory(pool).of(student_id)]


async def test_each_return_of_a_page_is_kept_in_its_order_and_in_its_language(own: "asyncpg.Pool[Any]") -> None:
    student_id, pages = new_student_id(), ShownPages(own)
    for words in ("a", "a", "b", "a"):
        pages.note(student_id, "zh", page(words))
    pages.note(student_id, "en", page("a"))
    await pages.flush()
    assert await headlines(own, student_id) == ["a", "b", "a", "a"]
    assert await own.fetchval("SELECT count(*) FROM shown_page WHERE language = 'en'") == 1


async def test_a_page_that_comes_back_after_another_process_showed_another_is_kept_as_such(
    own: "asyncpg.Pool[Any]",
) -> None:
    """Behind two gateways a student is shown a page, by the other one an outage, and the page again."""
    student_id, first, second = new_student_id(), ShownPages(own), ShownPages(own)
    for pages, words in ((first, "a"), (second, "away"), (first, "a"), (first, "a"), (first, "b")):
        pages.note(student_id, "zh", page(words))
        await pages.flush()
    assert await headlines(own, student_id) == ["a", "away", "a", "b"]


async def test_a_student_who_is_forgotten_is_forgotten_here_and_a_page_that_waited_is_not_written(
    own: "asyncpg.Pool[Any]",
) -> None:
    student_id, pages = new_student_id(), ShownPages(own)
    pages.note(student_id, "zh", page("kept"))
    await pages.flush()
    pages.note(student_id, "zh", page("waiting"))
    async with own.acquire() as connection, connection.transaction():
        assert (await erase(connection, TABLES, [student_id]))["shown_page"] == 1
        await append_entry(
            connection, actor="/lixiao/clearance", act="student.forget", outcome="forgotten", student_id=student_id
        )
    await pages.flush()
    assert await headlines(own, student_id) == []
    pages.note(student_id, "zh", page("on the roster again"))
    await pages.flush()
    assert await headlines(own, student_id) == ["on the roster again"]


async def test_pages_wait_while_the_database_takes_none_and_beyond_a_bound_the_newest_are_lost(
    own: "asyncpg.Pool[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "MAX_WAITING", 3)
    student_id, pages = new_student_id(), ShownPages(own)
    await own.execute("ALTER TABLE shown_page RENAME TO away")
    for words in "abcde":
        pages.note(student_id, "zh", page(words))
    with pytest.raises(asyncpg.UndefinedTableError):
        await pages.flush()
    await own.execute("ALTER TABLE away RENAME TO shown_page")
    await pages.flush()
    assert await headlines(own, student_id) == ["a", "b", "c"]
    pages.note(student_id, "zh", page("e"))
    await pages.flush()
    assert await headlines(own, student_id) == ["a", "b", "c", "e"]


async def test_nothing_is_kept_where_nothing_is_to_be(own: "asyncpg.Pool[Any]") -> None:
    student_id, pages = new_student_id(), ShownPages(own, keep=False)
    pages.note(student_id, "zh", page("a"))
    await pages.flush()
    assert await headlines(own, student_id) == []
