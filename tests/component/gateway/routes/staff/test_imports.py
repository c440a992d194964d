"""A file at a desk page: tried without an effect, imported, followed, and what was refused to correct it."""

import re

import httpx
import pytest

from deploy.local.installation import new_student_id
from tests.component.gateway.routes.staff.working import FINANCE, AtWork
from tests.support.gateway.server import BrowserClient
from tests.support.gateway.staff import ServedDesk
from tests.support.waiting import eventually

CSV = "text/csv"


async def sent(
    at: AtWork, content: str | bytes, path: str = "imports", name: str = "rows.csv", **fields: str
) -> httpx.Response:
    data = content.encode() if isinstance(content, str) else content
    return await at.browser.post_file(f"{at.address}/{path}", {"csrf": at.csrf, **fields}, (name, data, CSV))


async def finished(at: AtWork, started: httpx.Response) -> str:
    """The page of the job once it is done."""
    assert started.status_code == 303, started.text
    pages: list[str] = []

    async def is_done() -> bool:
        pages.append((await at.browser.get(started.headers["location"])).text)
        return "data-again-s" not in pages[-1]

    await eventually(is_done, what="the import")
    return pages[-1]


def counts(page: str) -> dict[str, int]:
    return {label: int(count) for label, count in re.findall(r"<dt>([^<]+)</dt><dd>(\d+)</dd>", page)}


@pytest.mark.acceptance("D-008")
async def test_a_file_is_tried_then_imported_and_its_refused_rows_come_back_to_be_corrected(
    library: AtWork, desks: dict[str, ServedDesk]
) -> None:
    good, wrong = new_student_id(), new_student_id()
    content = f"student_id,card\n{good},cancelled\n{wrong},弄丢了\n"
    tried = await sent(library, content, "imports/preview")
    assert tried.status_code == 200, tried.text
    assert (counts(tried.text)["有改动"], counts(tried.text)["被拒绝"]) == (1, 1)
    assert wrong in tried.text
    assert "还没有导入过文件" in (await library.browser.get(f"{library.address}/imports")).text

    page = await finished(library, await sent(library, content))
    assert (counts(page)["有改动"], counts(page)["被拒绝"]) == (1, 1)
    job = re.search(r"/imports/([0-9a-f-]{36})/rejected.csv", page)
    assert job is not None
    file = await library.browser.get(f"{library.address}/imports/{job[1]}/rejected.csv")
    assert wrong in file.text
    assert good not in file.text
    listed = (await library.browser.get(f"{library.address}/imports")).text
    assert job[1] in listed
    assert "方石" in listed
    again = await finished(library, await sent(library, content.replace("弄丢了", "cancelled")))
    assert counts(again)["与现有数据相同"] == 1


async def test_a_file_that_is_none_and_no_file_are_said_on_the_page(library: AtWork) -> None:
    assert "请先选择文件" in (await sent(library, b"", name="")).text
    refused = await sent(library, b"\x00\x01", name="rows.csv")
    assert refused.status_code == 422
    assert 'role="alert"' in refused.text
    long = await sent(library, "student_id,card\n", covers="2" * 101)
    assert long.status_code == 422


async def test_which_cohort_a_file_covers_is_not_lost_with_a_file_that_is_refused(library: AtWork) -> None:
    """The corrected one would be imported as no list of anybody."""
    for answer in (
        await sent(library, b"", name="", covers="2031"),
        await sent(library, b"\x00\x01", covers="2031"),
    ):
        assert answer.status_code == 422
        assert re.search(r'name="covers" [^>]*value="2031"', answer.text)


async def test_a_file_covers_the_cohort_that_is_named_with_it_if_it_has_what_that_takes(library: AtWork) -> None:
    some = await finished(library, await sent(library, f"student_id,card\n{new_student_id()},none\n", covers="2031"))
    assert "不足以作为 2031 的完整名单" in some
    whole = f"student_id,thesis\n{new_student_id()},approved\n"
    assert "已作为 2031 的完整名单" in await finished(library, await sent(library, whole, covers="2031"))


async def test_without_the_token_nothing_is_imported(library: AtWork) -> None:
    library.csrf = "wrong"
    assert (await sent(library, "student_id,card\n")).status_code == 403


async def test_a_job_of_another_department_is_unknown_here(library: AtWork) -> None:
    started = await sent(library, f"student_id,card\n{new_student_id()},cancelled\n")
    await finished(library, started)
    browser = BrowserClient(library.browser.gateway)
    finance = await AtWork.signed_in(browser, FINANCE, "finance")
    there = started.headers["location"].replace("/library/", "/finance/")
    assert (await browser.get(there)).status_code == 404
    assert (await browser.get(f"{there}/rejected.csv")).status_code == 404
    assert finance.address == "/staff/finance"
    await browser.close()
