"""One student of the roster: added, closed, put back, deferred and corrected, with who did it."""

from deploy.local.installation import new_student_id
from tests.component.gateway.routes.roster.school import School, fields_of
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import RunningGateway
from tests.support.gateway.visits import rows


async def test_a_student_is_added_closed_put_back_deferred_and_corrected_and_the_history_says_by_whom(
    school: School, gateway: RunningGateway
) -> None:
    number = new_student_id()
    added = await school.add(number.lower(), **fields_of("慕容雪"))
    assert added.status_code == 200, added.text
    assert "已加入名单" in added.text
    assert "办理中" in added.text
    assert "已移出名单" in (await school.press("close")).text
    assert "已移出" in school.page
    assert "更正信息" not in school.page
    assert "已重新加入名单" in (await school.press("reopen")).text
    assert "已延期" in (await school.press("defer", cohort="2027")).text
    corrected = await school.press("correct", college="文理学院", campus="文昌校区")
    assert "已更正" in corrected.text
    assert "登记 (学院、校区)" in corrected.text
    assert "登记 (届别)" in corrected.text
    assert corrected.text.count('<span class="by">顾长宁 (school)</span>') == 5
    stored = await rows(gateway.read_model, "SELECT * FROM published.roster_v1 WHERE student_id = $1", number)
    assert [(row["college"], row["cohort"], row["state"]) for row in stored] == [("文理学院", "2027", "open")]
    audit = await rows(
        gateway.read_model,
        "SELECT DISTINCT actor FROM audit.entry WHERE student_id = $1 AND outcome <> 'read'",
        number,
    )
    assert [row["actor"] for row in audit] == ["staff-pages: 顾长宁 (school)"]


async def test_what_was_already_so_is_said_and_changes_nothing(school: School) -> None:
    await school.add(new_student_id(), **fields_of("慕容复"))
    assert "此前已是这样" in (await school.press("correct")).text
    again = await school.press("defer", cohort="2026")
    assert again.status_code == 422
    assert 'id="defer-cohort-wrong">已经是这一届' in again.text


async def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_stays(school: School) -> None:
    await school.add(new_student_id(), **fields_of("慕容垂"))
    empty = await school.press("correct", major="")
    assert empty.status_code == 422
    assert 'id="correct-major-wrong">请填写此项' in empty.text
    wrong = await school.press("correct", major="采矿工程", enrolled_on="2023-13-01")
    assert wrong.status_code == 422
    assert 'id="correct-enrolled_on-wrong">格式不对，例如 2023-09-01' in wrong.text
    assert 'value="采矿工程"' in wrong.text


async def test_a_field_that_somebody_else_has_changed_meanwhile_is_not_written_over(school: School) -> None:
    number = new_student_id()
    await school.add(number, **fields_of("慕容恪"))
    mine = dict(school.form("correct"))
    await school.press("correct", major="地质工程", grade="2022级")
    clash = await school.browser.post("/roster/change", {**mine, "f.major": "采矿工程"})
    assert clash.status_code == 422
    assert "其间已被改为“地质工程”" in clash.text
    beside = await school.browser.post("/roster/change", {**mine, "f.campus": "南湖校区"})
    assert "已更正" in beside.text
    entry = (await school.search(number)).text
    for value in ("地质工程", "2022级", "南湖校区"):
        assert f"<dd>{value}</dd>" in entry


async def test_a_number_that_is_none_or_there_already_is_not_added(school: School) -> None:
    number = new_student_id()
    refused = await school.add("慕容", **fields_of("慕容白"))
    assert refused.status_code == 422
    assert 'id="student-wrong">不是学号' in refused.text
    assert 'value="慕容白"' in refused.text
    missing = await school.add(number, **fields_of("慕容白", major=""))
    assert 'id="new-major-wrong">请填写此项' in missing.text
    await school.add(number, **fields_of("慕容白"))
    there = await school.add(number, **fields_of("别人"))
    assert there.status_code == 409
    assert "名单上已有这个学号" in there.text
    assert "<span>慕容白</span>" in there.text


async def test_a_student_who_has_submitted_is_taken_off_with_a_warning_and_the_form_stays(
    school: School, clearance: ReadModelWriter
) -> None:
    form = await clearance.accept_signed(new_student_id(), name="慕容紫英")
    entry = (await school.search(form.student_id)).text
    assert form.form_number in entry
    assert "离校流程单仍然有效" in entry
    await school.press("close")
    assert "提交后移出" in school.page
    assert "已提交离校服务" in school.page
