"""A student at a department's desk: found, looked at, operated on, with what was done about them."""

import secrets

import pytest

from deploy.local.installation import new_student_id
from services.gateway.staff.lists.work_list import MAX_HITS
from tests.component.gateway.routes.staff.working import AtWork
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.staff import ServedDesk


def loan() -> dict[str, str]:
    """A copy is lent once."""
    return {"barcode": f"B{secrets.token_hex(4)}", "title": "矿山压力", "due_on": "2026-06-20"}


async def test_a_student_is_found_by_a_number_in_any_spelling_or_by_the_beginning_of_a_name(
    library: AtWork, clearance: ReadModelWriter
) -> None:
    number, other = new_student_id(), new_student_id()
    await clearance.put_case(number, name="端木清扬")
    await clearance.put_case(other, name="端木清")
    for text in (number, f"  {number.lower()} ", "端木清扬"):
        answer = await library.search(text)
        assert answer.status_code == 200
        assert "端木清扬" in answer.text
        assert "借出图书" in answer.text
    answer = await library.search("端木")
    assert "找到 2 名学生" in answer.text
    assert number in answer.text
    assert other in answer.text


@pytest.mark.parametrize("name", ["厍\u3000宁", "José\u00a0Díaz", "علی\u200cرضا"])
async def test_a_name_is_found_as_the_roster_writes_it(library: AtWork, clearance: ReadModelWriter, name: str) -> None:
    number = new_student_id()
    await clearance.put_case(number, name=name)
    assert number in (await library.search(f" {name}\r\n")).text


async def test_of_a_common_name_the_first_are_listed_and_more_of_it_is_asked_for(
    library: AtWork, clearance: ReadModelWriter
) -> None:
    for _ in range(MAX_HITS):
        await clearance.put_case(new_student_id(), name="公孙")
    assert f"找到 {MAX_HITS} 名学生" in (await library.search("公孙")).text
    await clearance.put_case(new_student_id(), name="公孙")
    assert f"只列出前 {MAX_HITS} 名学生" in (await library.search("公孙")).text


async def test_nobody_of_that_name_is_said_and_a_number_off_the_roster_is_warned_of(library: AtWork) -> None:
    answer = await library.search("查无此人")
    assert (answer.status_code, "没有找到“查无此人”" in answer.text) == (404, True)
    answer = await library.search(new_student_id())
    assert "离校名单上没有这个学号" in answer.text


async def test_an_operation_is_done_once_and_the_departments_audit_names_the_person(
    library: AtWork, desks: dict[str, ServedDesk]
) -> None:
    number = new_student_id()
    await library.search(number)
    address, hidden = library.form("loan", "loan")
    sent = {**hidden, **{f"f.{name}": value for name, value in loan().items()}}
    first = await library.browser.post(address, sent)
    again = await library.browser.post(address, sent)
    assert [first.status_code, again.status_code] == [200, 200]
    assert "已办理：借出图书" in first.text
    assert "还有 1 册图书未还" in first.text
    assert first.text.count("<li><time") == 1
    assert "方石 (clerk-library)" in first.text
    assert again.text.count("<li><time") == 1
    acts = [one for one in await desks["library"].audited() if one[1] == "desk.loan"]
    assert acts == [("staff-pages: 方石 (clerk-library)", "desk.loan", "changed")]


async def test_a_line_of_the_record_has_its_operations_beside_it_filled_from_it(library: AtWork) -> None:
    await library.search(new_student_id())
    await library.press("loan", **loan())
    answer = await library.press("return", "return-0")
    assert "已办理：归还图书" in answer.text
    assert "矿山压力" not in answer.text.partition("登记内容")[2]


async def test_a_field_left_empty_or_written_wrong_is_named_at_the_field_and_what_was_typed_stays(
    library: AtWork,
) -> None:
    await library.search(new_student_id())
    answer = await library.press("loan", title="矿山压力", barcode="B1", due_on="")
    assert answer.status_code == 422
    assert 'id="loan-due_on-wrong">请填写此项' in answer.text
    assert (
        'name="f.title" type="text" maxlength="500" autocomplete="off" spellcheck="false" value="矿山压力"'
        in answer.text
    )
    answer = await library.press("loan", title="矿山压力", barcode="B 1!", due_on="2026-06-20")
    assert answer.status_code == 422
    assert 'id="loan-barcode-wrong">格式不对' in answer.text


async def test_what_the_rules_forbid_is_said_in_the_departments_words(library: AtWork) -> None:
    await library.search(new_student_id())
    await library.press("loan", **loan())
    answer = await library.press("cancel-card")
    assert answer.status_code == 409
    assert "暂不能注销：未还图书 1 册" in answer.text
    assert "未办理：不符合规定" in answer.text


async def test_an_item_alone_finds_its_student(library: AtWork) -> None:
    number = new_student_id()
    await library.search(number)
    await library.press("loan", **{**loan(), "barcode": "B-ALONE"})
    await library.list()
    answer = await library.press("return-by-barcode", barcode="B-ALONE")
    assert "已办理：按条码还书" in answer.text
    assert number in answer.text
    await library.list()
    answer = await library.press("return-by-barcode", barcode="B-ALONE")
    assert answer.status_code == 409
    assert "没有学生借着这个条码的图书" in answer.text


async def test_an_operation_is_undone_right_after_it_and_the_history_says_so(library: AtWork) -> None:
    await library.search(new_student_id())
    await library.press("loan", **loan())
    answer = await library.undo(" ")
    assert (answer.status_code, "请填写撤销原因" in answer.text) == (422, True)
    answer = await library.undo("扫错了\x07学生证")
    assert (answer.status_code, 'name="reason" type="text"' in answer.text) == (422, True)
    assert 'value="扫错了\x07学生证"' in answer.text, "what was typed is lost"
    answer = await library.undo("扫错了学生证")
    assert answer.status_code == 200
    assert "已撤销" in answer.text
    assert "撤销：借出图书" in answer.text
    assert "原因：扫错了学生证" in answer.text
    assert "矿山压力" not in answer.text.partition("登记内容")[2].partition("办理记录")[0]
    assert "/undo" not in answer.text


async def test_what_has_moved_on_since_is_not_undone_by_a_page_of_before(library: AtWork) -> None:
    number = new_student_id()
    await library.search(number)
    await library.press("fine", fine_id="F-1", amount="3.50")
    before = library.page
    await library.press("payment", "payment-0", amount="1.00")
    assert "此后该项又有变动，不能撤销" in library.page
    library.page = before
    answer = await library.undo("登记重复")
    assert answer.status_code == 409
    assert "此后该项又有变动，不能撤销；请按现在的内容另行办理。" in answer.text


async def test_what_the_office_cannot_undo_says_what_to_do_instead(library: AtWork) -> None:
    await library.search(new_student_id())
    await library.press("cancel-card")
    answer = await library.press("issue-card")
    assert "不能撤销：如需收回，请办理“注销借书证”。" in answer.text


async def test_a_note_is_kept_for_the_office_with_who_wrote_it_and_is_written_once(
    library: AtWork, desks: dict[str, ServedDesk]
) -> None:
    number = new_student_id()
    await library.search(number)
    answer = await library.note("家长代办，\r\n周五来取。<b>")
    assert answer.status_code == 200
    assert "备注已保存" in answer.text
    assert '<p class="noted">家长代办，\n周五来取。&lt;b&gt;</p>' in answer.text
    assert "写了内部备注" in answer.text
    answer = await library.search(number)
    assert answer.text.count("家长代办") == 1
    assert ("staff-pages: 方石 (clerk-library)", "note.write", "written") in await desks["library"].audited()


async def test_a_note_without_words_or_with_invisible_ones_is_not_kept_and_stays_in_the_form(library: AtWork) -> None:
    await library.search(new_student_id())
    answer = await library.note(" ")
    assert (answer.status_code, "请填写备注。" in answer.text) == (422, True)
    for wrong in ("看\u202e不见", "长" * 501):
        answer = await library.note(wrong)
        assert answer.status_code == 422
        assert "备注没有保存" in answer.text
        assert f"required>{wrong}</textarea>" in answer.text
        assert 'class="noted"' not in answer.text


@pytest.mark.parametrize("key", ["é", "a b", "a\r\nX-Other: b", "k" * 101])
@pytest.mark.parametrize("path", ["operate", "item", "mass"])
async def test_a_key_that_no_page_has_given_out_is_refused_before_the_desk_is_asked(
    library: AtWork, path: str, key: str
) -> None:
    fields = {"student": new_student_id(), "operation": "cancel-card", "step": "run", "students": new_student_id()}
    answer = await library.browser.post(f"{library.address}/{path}", {"csrf": library.csrf, "key": key, **fields})
    assert answer.status_code == 422


async def test_no_student_number_is_in_an_address_of_the_pages(library: AtWork) -> None:
    number = new_student_id()
    answer = await library.search(number)
    links = [part.partition('"')[0] for name in ("href", "action") for part in answer.text.split(f'{name}="')[1:]]
    assert links
    assert [link for link in links if number in link] == []
    assert number not in str(answer.url)
