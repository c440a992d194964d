"""One operation for many students, with a result for each; and the list as a file."""

import csv
import io
import re

import asyncpg
from openpyxl import load_workbook

from deploy.local.installation import new_student_id
from schemas.events import Reason
from tests.component.gateway.routes.staff.working import AtWork
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import RunningGateway
from tests.support.gateway.staff import ServedDesk
from tests.support.samples import case_samples


async def step(library: AtWork, **fields: str) -> str:
    answer = await library.browser.post(f"{library.address}/mass", {"csrf": library.csrf, **fields})
    library.page = answer.text
    return answer.text


async def test_pasted_numbers_are_looked_through_done_once_and_each_has_its_result(
    library: AtWork, clearance: ReadModelWriter, desks: dict[str, ServedDesk]
) -> None:
    first, second, lent = new_student_id(), new_student_id(), new_student_id()
    await clearance.put_case(first, name="百里守约")
    await library.search(lent)
    await library.press("loan", barcode=f"B{lent}", title="矿山压力", due_on="2026-06-20")
    pasted = f"{first.lower()}，{second}\n{lent}; {first} 张三!"
    looked = await step(library, step="look", operation="cancel-card", students=pasted, key="mass-key-0001")
    assert "为 3 名学生办理“注销借书证”" in looked
    assert "不是学号，不会办理：张三!" in looked
    assert "百里守约" in looked
    run = {"step": "run", "operation": "cancel-card", "students": pasted, "key": "mass-key-0001"}
    page = await step(library, **run)
    results = dict(zip((first, second, lent), re.findall(r'class="result (\w+)"', page), strict=True))
    assert results == {first: "changed", second: "changed", lent: "refused"}
    assert "暂不能注销：未还图书 1 册" in page
    before = [one for one in await desks["library"].audited() if one[1:] == ("desk.cancel-card", "changed")]
    again = await step(library, **run)
    assert re.findall(r'class="result (\w+)"', again) == ["changed", "changed", "refused"]
    after = [one for one in await desks["library"].audited() if one[1:] == ("desk.cancel-card", "changed")]
    assert before == after


async def test_who_is_selected_in_the_list_is_taken_over(library: AtWork) -> None:
    number = new_student_id()
    page = await step(library, pick=number)
    assert f">{number}</textarea>" in page
    assert 'value="loan"' in page
    assert 'value="return"' not in page


async def test_nobody_too_many_and_no_operation_are_said(library: AtWork) -> None:
    assert "请先填写学号" in await step(library, step="look", operation="cancel-card", students="  ")
    many = " ".join(new_student_id() for _ in range(201))
    assert "一次最多办理 200 名学生" in await step(library, step="look", operation="cancel-card", students=many)
    assert "请选择办理事项" in await step(library, step="look", students=new_student_id())


async def test_the_list_is_a_file_of_what_is_listed_and_the_audit_says_who_took_it(
    library: AtWork, clearance: ReadModelWriter, gateway: RunningGateway
) -> None:
    college, number, other = "导出学院", new_student_id(), new_student_id()
    for one, name in ((number, "=cmd|calc"), (other, "夏侯")):
        await clearance.put_case(one, name=name, college=college)
        await clearance.put_status(one, "library", [case_samples.check("borrowing", {}, Reason(code="debt-open"))])
    answer = await library.browser.get(f"{library.address}/list.csv?college={college}")
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row[:3] for row in rows] == [
        ["学号", "姓名", "学院"],
        [number, "'=cmd|calc", college],
        [other, "夏侯", college],
    ]
    assert rows[1][5] == "有欠款"
    answer = await library.browser.get(f"{library.address}/list.xlsx?college={college}")
    sheet = load_workbook(io.BytesIO(answer.content)).active
    assert sheet is not None
    cells = [[cell.value for cell in row][:2] for row in sheet.iter_rows()]
    assert cells == [["学号", "姓名"], [number, "=cmd|calc"], [other, "夏侯"]]
    assert sheet["B2"].data_type == "s"
    assert answer.headers["content-disposition"].startswith('attachment; filename="library-')
    printed = (await library.browser.get(f"{library.address}/list.print?college={college}")).text
    assert [one in printed for one in (number, other, "=cmd|calc", "打印人：方石", college)] == [True] * 5
    connection = await asyncpg.connect(gateway.database)
    try:
        taken = await connection.fetch("SELECT actor, details FROM audit.entry WHERE act = 'staff.export-list'")
    finally:
        await connection.close()
    assert [one["actor"] for one in taken] == ["clerk-library"] * 3
    assert number not in taken[0]["details"]
