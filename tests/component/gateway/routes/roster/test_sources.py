"""Which department vouches for which cohort, how old its data is, and what it has not settled."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from deploy.local.installation import new_student_id
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.kit.postgres.migrations import migrate
from tests.component.gateway.routes.roster.school import SCHOOL
from tests.component.gateway.routes.staff.working import LIBRARY, AtWork
from tests.support.gateway.server import BrowserClient, RunningGateway, running_gateway
from tests.support.gateway.staff import addresses, served_desks
from tests.support.servers.fixtures import DatabaseMaker
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
async def gateway(make_database: DatabaseMaker) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    with (
        served_desks({"library": await make_database("library")}) as served,
        running_gateway(database, read_model, (SCHOOL, LIBRARY), desks=addresses(served)) as running,
    ):
        yield running


async def imported(clerk: AtWork, content: str, **fields: str) -> None:
    """A file at the library, to its end."""
    sent = {"csrf": clerk.csrf, **fields}
    file = ("rows.csv", content.encode(), "text/csv")
    started = await clerk.browser.post_file(f"{clerk.address}/imports", sent, file)

    async def is_done() -> bool:
        return "data-again-s" not in (await clerk.browser.get(started.headers["location"])).text

    await eventually(is_done, what="the import")


def section(page: str, title: str) -> str:
    return page.partition(f">{title}</h2>")[2].partition("</section>")[0]


async def test_the_school_sees_lists_ages_and_open_questions_by_department(
    gateway: RunningGateway, browser: BrowserClient
) -> None:
    other = BrowserClient(gateway)
    await other.sign_in(SCHOOL, place="roster")
    assert ">全部学生<" in section((await other.get("/roster/sources")).text, "图书馆")
    clerk = await AtWork.signed_in(browser, LIBRARY, "library")
    await imported(clerk, f"student_id,thesis\n{new_student_id()},approved\n", covers="2031")
    await imported(clerk, f"student_id,card\n{new_student_id()},弄丢了\n")
    fresh = datetime.now(UTC) - timedelta(seconds=2)
    connection = await asyncpg.connect(gateway.read_model)
    try:
        for partition, age in ((0, timedelta(0)), (1, timedelta(hours=3))):
            await connection.execute(
                'INSERT INTO source (department, "partition", alive_as_of, heard_at) VALUES ($1, $2, $3, now())',
                "library",
                partition,
                fresh - age,
            )
    finally:
        await connection.close()
    page = (await other.get("/roster/sources")).text
    await other.close()
    library = section(page, "图书馆")
    assert ">2031<" in library
    assert "方石 (clerk-library)" in library
    assert "<dt>待核对的导入数据</dt><dd>1</dd>" in library
    assert "已有一段时间没有更新" in library
    finance = section(page, "财务处收费管理办公室")
    assert "部门系统没有响应" in finance
    assert "已有一段时间没有更新" in finance
