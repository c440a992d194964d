"""Files as departments really sent them, through the whole import road: file in, the student's page out."""

from collections.abc import AsyncIterator
from typing import Final

import pytest

from services.gateway.case.decision import CheckState
from services.kit.imports.files.formats import Format
from services.kit.imports.files.problems import Unimportable
from tests.support.imports.road import Road, import_road
from tests.support.samples.import_files import workbook

CHARGE: Final = "学号,收费编号,收费学年,收费项目名称,应缴金额,已缴金额\n"
LOANS: Final = "学号,证件状态,论文状态,条码号,题名,应还日期\n"
ROOMS: Final = "学号,校区,楼宇,房间号,退宿日期,退宿办理人\n"
THESIS: Final = "学号,论文提交状态\n"
CHECK: Final = {"library": "borrowing", "archives": "thesis", "dorm": "check-out", "finance": "arrears"}
CLEAR: Final = {
    "library": LOANS + "{student},cancelled,approved,,,\n",
    "archives": THESIS + "{student},approved\n",
    "dorm": ROOMS + "{student},南湖,梅苑1楼,307,2026-06-05,李四\n",
    "finance": CHARGE + "{student},C1,2025,学费,8000.00,8000.00\n",
}
IN_QUESTION: Final = "有一条关于您的数据未能录入，正在核实，暂不能判定是否通过。"
NO_DATA: Final = "关于您的数据，暂不能判定是否通过。"


@pytest.fixture
async def road(database: str, request: pytest.FixtureRequest) -> AsyncIterator[Road]:
    async with import_road(database, request.param) as running:
        yield running


at = pytest.mark.parametrize("road", ["finance"], indirect=True)
everywhere = pytest.mark.parametrize("road", [*CHECK], indirect=True)


async def state(road: Road, student_id: str) -> CheckState:
    return (await road.line(student_id, CHECK[road.desk.rules.name])).state


@everywhere
async def test_who_is_on_the_roster_and_in_no_file_waits_with_whose_data_is_missing(road: Road) -> None:
    line = await road.line(await road.leaving(), CHECK[road.desk.rules.name])
    assert line.state is CheckState.WAITING
    assert NO_DATA in line.todo[0]


@pytest.mark.parametrize(
    ("road", "row"),
    [
        pytest.param("library", LOANS + "{student},,,B7,%s,2026-06-20\n" % ("书" * 250), id="a title too long"),
        pytest.param("library", LOANS + "{student},,,B7,矿山压力,20/6/2026\n", id="a due date that may be two days"),
        pytest.param("library", LOANS + "{student},,,图书 7,矿山压力,2026-06-20\n", id="a barcode that is none"),
        pytest.param("dorm", ROOMS + "{student},南湖,%s,308,,\n" % ("楼" * 62), id="a building too long"),
        pytest.param("archives", THESIS + "{student},缓交\n", id="a state nobody knows"),
        pytest.param("finance", CHARGE + '{student},C2,2025-2026学年,住宿费,"1.200,00",0\n', id="an amount"),
        pytest.param(
            "finance", CHARGE + "{student},C2,2025,{long},1200.00,0\n".replace("{long}", "费" * 250), id="item"
        ),
        pytest.param("finance", CHARGE + "{student},2.02308E15,2025,住宿费,1200.00,0\n", id="an id in E notation"),
    ],
    indirect=["road"],
)
async def test_a_row_that_says_owes_and_is_refused_takes_the_green_away(road: Road, row: str) -> None:
    student_id, name = await road.leaving(), road.desk.rules.name
    await road.send(CLEAR[name].format(student=student_id))
    assert await state(road, student_id) is CheckState.CLEAR
    assert await road.send(row.format(student=student_id)) == (0, 0, 1)
    line = await road.line(student_id, CHECK[name])
    assert line.state is CheckState.WAITING
    assert IN_QUESTION in line.todo[0]
    assert line.command is None or not line.command.offered


@pytest.mark.parametrize("road", ["library"], indirect=True)
async def test_a_card_is_not_to_be_cancelled_while_a_row_about_its_student_is_in_question(road: Road) -> None:
    student_id = await road.leaving()
    await road.send(LOANS + f"{student_id},active,approved,,,\n")
    before = (await road.line(student_id, "borrowing")).command
    await road.send(LOANS + f"{student_id},,,B7,矿山压力,soon\n")
    after = (await road.line(student_id, "borrowing")).command
    assert [command is not None and command.offered for command in (before, after)] == [True, False]


@everywhere
async def test_a_file_refused_whole_for_one_column_more_turns_nobody_green(road: Road) -> None:
    student_id, name = await road.leaving(), road.desk.rules.name
    await road.cover()
    before = await state(road, student_id)
    headings, _, row = CLEAR[name].format(student=student_id).partition("\n")
    with pytest.raises(Unimportable):
        await road.send(f"{headings},辅导员意见\n{row.strip()},欠费\n", covers="2026")
    assert before is not CheckState.WAITING
    assert await state(road, student_id) is CheckState.WAITING


@at
async def test_a_debt_goes_to_the_number_that_the_sheet_shows(road: Road) -> None:
    owing, other = await road.leaving("0230800101"), await road.leaving("230800101")
    columns = CHARGE.strip().split(",")
    book = workbook(columns, [230800101, 12, 2025, "住宿费", 1200, 0], formats={"A2": "0000000000"})
    assert await road.send(book, Format.XLSX) == (1, 0, 0)
    assert await state(road, owing) is CheckState.BLOCKED
    assert await state(road, other) is CheckState.WAITING


@at
async def test_two_charges_whose_long_ids_a_spreadsheet_made_one_leave_a_doubt_and_no_pass(road: Road) -> None:
    student_id = await road.leaving()
    rows = ([student_id, 2023080000000011 + n, 2025, "学费", 8000, paid] for n, paid in enumerate((0, 8000)))
    assert await road.send(workbook(CHARGE.strip().split(","), *rows), Format.XLSX) == (0, 0, 2)
    assert await state(road, student_id) is CheckState.WAITING


@at
async def test_a_row_in_small_letters_is_about_the_same_student(road: Road) -> None:
    student_id = await road.leaving("TS2399000020")
    assert await road.send(CHARGE + "ts2399000020,C1,2025,学费,8000.00,0\n") == (1, 0, 0)
    assert await state(road, student_id) is CheckState.BLOCKED


@at
async def test_a_debt_under_a_mistyped_number_clears_nobody(road: Road) -> None:
    student_id = await road.leaving("TS2399000020")
    await road.send(CHARGE + "TS239900002,C1,2025,学费,8000.00,0\n")
    assert await state(road, student_id) is CheckState.WAITING


@pytest.mark.parametrize("road", ["dorm"], indirect=True)
async def test_a_room_in_another_spelling_closes_the_residence_that_is_open(road: Road) -> None:
    student_id = await road.leaving()
    await road.send(ROOMS + f"{student_id},南湖,梅苑1楼,A0307,,\n")
    assert await state(road, student_id) is CheckState.BLOCKED
    await road.send(ROOMS + f"{student_id},南湖,梅苑 1楼,Ａ0307,2026-06-05 14:30:00,李四\n")
    line = await road.line(student_id)
    assert line.state is CheckState.CLEAR
    assert line.table is not None
    assert len(line.table.rows) == 1


@pytest.mark.parametrize("road", ["library"], indirect=True)
async def test_a_code_with_a_space_behind_it_and_the_offices_own_words_are_read(road: Road) -> None:
    spaced, words = await road.leaving(), await road.leaving()
    assert await road.send(LOANS + f"{spaced},cancelled ,approved ,,,\n") == (1, 0, 0)
    assert await road.send(f"学号,姓名,读者证状态,论文审核状态\n{words},甲某,已注销,审核通过\n") == (1, 0, 0)
    for student_id in (spaced, words):
        assert await state(road, student_id) is CheckState.CLEAR
        assert (await road.line(student_id, "thesis")).state is CheckState.CLEAR


@pytest.mark.parametrize("encoding", ["cp1252", "shift_jis", "euc-kr"])
@at
async def test_a_file_in_an_encoding_that_only_happens_to_decode_says_nothing_of_anybody(
    road: Road, encoding: str
) -> None:
    student_id = await road.leaving()
    item = {"cp1252": "Gebühr Müller", "shift_jis": "りようきん", "euc-kr": "등록금"}[encoding]
    content = "student_id,charge_id,year,name,amount,paid\n" + f"{student_id},C1,2025,{item},8000.00,8000.00\n" * 3
    with pytest.raises(Unimportable):
        await road.send(content.encode(encoding), covers="2026")
    assert await state(road, student_id) is CheckState.WAITING
