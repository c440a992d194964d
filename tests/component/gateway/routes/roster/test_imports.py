"""A file of the roster on its page: tried without an effect, imported, followed, and its refused rows given back."""

import re

import pytest

from deploy.local.installation import new_student_id
from tests.component.gateway.routes.roster.school import School, fields_of
from tests.support.waiting import eventually

CSV = "text/csv"


@pytest.mark.acceptance("G-001")
async def test_a_file_is_tried_then_imported_and_its_refused_rows_come_back(school: School) -> None:
    good, wrong = new_student_id(), new_student_id()
    columns = list(fields_of(""))
    lines = [
        ",".join(("student_id", *columns)),
        ",".join((good, *fields_of("长孙无忌").values())),
        ",".join((wrong, *fields_of("长孙无垢", enrolled_on="昨天").values())),
    ]
    file = ("roster.csv", "\n".join(lines).encode(), CSV)
    tried = await school.browser.post_file("/roster/imports/preview", {"csrf": school.csrf}, file)
    assert tried.status_code == 200, tried.text
    assert wrong in tried.text
    assert (await school.search(good)).status_code == 404
    page = (await school.browser.get("/roster/imports")).text
    assert 'name="covers"' not in page
    started = await school.browser.post_file("/roster/imports", {"csrf": school.csrf}, file)
    assert started.status_code == 303, started.text
    job = started.headers["location"]
    assert job.startswith("/roster/imports/")
    pages: list[str] = []

    async def is_done() -> bool:
        pages.append((await school.browser.get(job)).text)
        return "data-again-s" not in pages[-1]

    await eventually(is_done, what="the import")
    counts = dict(re.findall(r"<dt>([^<]+)</dt><dd>(\d+)</dd>", pages[-1]))
    assert (counts["有改动"], counts["被拒绝"]) == ("1", "1")
    assert "顾长宁 (school)" in pages[-1]
    rejected = (await school.browser.get(f"{job}/rejected.csv")).text
    assert wrong in rejected
    assert good not in rejected
    entry = (await school.search(good)).text
    assert "导入文件中的一行" in entry
    assert "顾长宁 (school)" in entry
