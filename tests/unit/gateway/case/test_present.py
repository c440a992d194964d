"""The information page as a model: what a student is told in every state, and that nothing unknown is a pass."""

from dataclasses import replace
from datetime import timedelta

import pytest

from schemas.events import CaseState, Reason
from services.gateway.case.decision import CheckState
from services.gateway.case.present import present
from services.gateway.case.progress import case_progress
from services.gateway.case.student_info import SLOTS
from services.gateway.case.view_model import Turn
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import catalogue
from services.gateway.read_model.types import ROSTER, OpenException, StudentSnapshot
from services.kit.rules.reasons import SHARED_CAUSES
from tests.support.samples import case_samples
from tests.support.samples.case_samples import NOW, site
from tests.unit.gateway.case.shown import CLEAR, asked, lines, shown


def test_all_passed_says_so_and_offers_the_submission() -> None:
    page = shown(case_samples.clear())
    assert page.summary.sentence == "5 项全部通过"
    assert page.submit.state == "ready"
    assert {line.state for line in lines(page).values()} == {CheckState.CLEAR}


def test_one_open_line_is_named_first_with_what_to_do() -> None:
    page = shown(case_samples.nearly())
    assert page.summary.sentence == "4 项已通过，还差 1 项"
    (task,) = page.summary.open
    assert (task.anchor, task.title, task.what) == ("library-thesis", "图书馆-论文提交", "图书馆正在审核论文，请等待。")
    assert page.summary.next_step == "下一步：图书馆正在审核论文，请等待。"
    assert page.submit.state == "open-items"


def test_whose_turn_each_open_line_is_stands_beside_the_verdict() -> None:
    page = shown(case_samples.nearly())
    thesis = lines(page)["library-thesis"]
    assert (thesis.verdict, thesis.turn, thesis.turn_word) == ("未通过", Turn.DEPARTMENT, "等待部门")
    assert {line.turn for line in lines(page).values() if line.state.passes} == {None}
    assert page.summary.turns == "等待部门 1 项"
    blocked = shown(case_samples.blocked())
    assert {line.turn_word for line in lines(blocked).values()} == {"需您办理"}
    assert blocked.summary.turns == "需要您办理 5 项"
    assert lines(shown(case_samples.waiting()))["archives-thesis"].turn is Turn.DEPARTMENT


def test_a_command_under_way_is_the_departments_turn() -> None:
    page = shown(case_samples.card_open(), asked("cancel-card", "library"))
    assert lines(page)["library-borrowing"].turn is Turn.DEPARTMENT


def test_the_summary_has_every_item_in_the_guides_order_while_one_is_open() -> None:
    tasks = shown(case_samples.nearly()).summary.tasks
    assert [task.state.passes for task in tasks] == [True, False, True, True, True]
    assert [task.what for task in tasks if task.state.passes] == [""] * 4
    assert shown(case_samples.clear()).summary.tasks == ()


def test_a_debt_after_the_submission_turns_the_headline_and_says_whose_it_is_how_much_and_whom_to_call() -> None:
    arrears = Reason(code="arrears", parameters={"count": 1, "total": "35.00"})
    reading = case_samples.completed()
    (form,) = reading.forms
    exceptions = (OpenException("finance 9", "finance", (arrears,), NOW),)
    page = shown(replace(reading, forms=(replace(form, exceptions=exceptions),)))
    assert page.summary.tone == "caution"
    assert page.summary.sentence == "离校服务已提交，但财务处收费管理办公室有新增未办事项"
    (matter,) = page.summary.matters
    assert matter.sentences == ("有 1 项欠费，共 35.00 元，请到财务处办理交费业务。",)
    assert [part.text for part in matter.phones] == ["0516-83590233"]
    assert page.form is not None
    assert page.form.exceptions == page.summary.matters
    assert shown(reading).summary.tone == "done"


def test_a_matter_of_the_roster_after_the_submission_names_the_roster_and_whom_to_call() -> None:
    changed = Reason(code="name-changed", parameters={"was": "王玥", "now": "王钥"})
    reading = case_samples.completed()
    (form,) = reading.forms
    page = shown(
        replace(reading, forms=(replace(form, exceptions=(OpenException("roster 1", ROSTER, (changed,), NOW),)),))
    )
    (matter,) = page.summary.matters
    assert matter.sentences == ("姓名由“王玥”改为“王钥”。",)
    assert [part.text for part in matter.phones] == ["0516-83590322"]


def test_a_form_has_no_line_of_a_check_that_came_after_it() -> None:
    reading = case_samples.completed()
    (form,) = reading.forms
    attested = form.facts["library"]
    before = replace(attested, checks=tuple(one for one in attested.checks if one.check != "thesis"))
    earlier = replace(form, facts={**form.facts, "library": before})
    page = shown(replace(reading, forms=(earlier,)))
    assert page.form is not None
    library = next(group for group in page.form.groups if group.department == "library")
    assert [(line.anchor, line.state) for line in library.lines] == [("library-borrowing", CheckState.CLEAR)]
    assert library.state is CheckState.CLEAR


def test_one_time_is_shown_and_two_where_they_differ_by_a_minute() -> None:
    freshness = lines(shown(case_samples.clear()))["finance-arrears"].freshness
    assert freshness is not None
    assert freshness.words == "数据更新于 10:32"
    late = replace(CLEAR["finance"], received_at=NOW)
    freshness = lines(shown(replace(case_samples.clear(), statuses={**CLEAR, "finance": late})))[
        "finance-arrears"
    ].freshness
    assert freshness is not None
    assert freshness.words == "数据更新于 10:32，系统接收于 10:35"


def test_a_department_with_several_checks_passes_only_when_all_of_them_do() -> None:
    group = shown(case_samples.nearly()).groups[0]
    assert [line.state for line in group.lines] == [CheckState.CLEAR, CheckState.BLOCKED]
    assert group.state is CheckState.BLOCKED


def test_every_open_reason_is_a_sentence_of_the_manifest() -> None:
    page = lines(shown(case_samples.blocked()))
    assert page["library-borrowing"].todo == (
        "还有 2 册图书未还，请到图书馆归还。",
        "还有 7.60 元欠款，请到图书馆缴清。",
    )
    assert page["archives-thesis"].todo == ("请线下去档案馆提交论文。",)
    assert "682.40" in page["finance-arrears"].todo[0]


@pytest.mark.parametrize("cause", sorted(SHARED_CAUSES))
@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_cause_of_the_kit_has_words_at_every_department(cause: str, language: str) -> None:
    said = case_samples.archives(cause=Reason(code=cause))
    line = lines(shown(replace(case_samples.clear(), statuses={**CLEAR, "archives": said}), language=language))
    freshness = line["archives-thesis"].freshness
    assert freshness is not None
    assert freshness.cause


def test_what_was_overpaid_is_told_beside_a_pass_and_holds_nothing_up() -> None:
    snapshot = case_samples.overpaid()
    page, plain = shown(snapshot), shown(case_samples.clear())
    (note,) = lines(page)["finance-arrears"].notes
    assert note.startswith("已多缴 200.00 元，请联系财务处退费。")
    assert (lines(page)["finance-arrears"].todo, page.submit, page.summary) == ((), plain.submit, plain.summary)
    assert lines(shown(snapshot, language="en"))["finance-arrears"].notes[0].startswith("200.00 yuan overpaid.")
    assert {line.notes for line in lines(plain).values()} == {()}


def test_a_reason_no_manifest_knows_still_says_whom_to_ask() -> None:
    odd = case_samples.archives("empty", Reason(code="never-heard-of"))
    page = shown(replace(case_samples.clear(), statuses={**case_samples.clear().statuses, "archives": odd}))
    assert lines(page)["archives-thesis"].todo == ("未通过，请咨询档案馆。",)


def test_basic_information_has_the_order_of_a_phone() -> None:
    page = shown(case_samples.clear())
    assert SLOTS == ("name", "student_id", "gender", "college", "major", "enrolled_on", "grade", "leave_category")
    assert [field.label for field in page.student] == [
        "姓名",
        "学号",
        "性别",
        "学院",
        "专业",
        "入学日期",
        "现在年级",
        "离校类别",
    ]
    assert page.applied_on == "2026年6月1日"


def test_money_has_two_decimals_and_is_never_rounded_through_binary() -> None:
    table = lines(shown(case_samples.blocked()))["finance-arrears"].table
    assert table is not None
    assert [row[-1] for row in table.rows] == ["60.00", "550.00", "72.40"]
    assert table.total == ("总计欠款(元)", "682.40")


def test_somebody_who_never_lived_on_campus_is_told_that_nothing_is_needed() -> None:
    table = lines(
        shown(replace(case_samples.clear(), statuses={**case_samples.clear().statuses, "dorm": case_samples.dorm([])}))
    )["dorm-check-out"].table
    assert table is not None
    assert table.empty == "未在校住宿，无需办理"


@pytest.mark.parametrize(
    ("reading", "standing"),
    [
        (StudentSnapshot(None), "absent"),
        (StudentSnapshot(case_samples.case(CaseState.CLOSED)), "absent"),
        (StudentSnapshot(case_samples.case(CaseState.NOT_SERVED, leave_category="结业")), "not-served"),
    ],
)
def test_whom_the_service_is_not_for_sees_no_lines_and_cannot_submit(reading: StudentSnapshot, standing: str) -> None:
    page = shown(reading)
    assert page.standing == standing
    assert page.groups == ()
    assert page.submit.state != "ready"


def test_a_line_that_turns_says_what_caused_it() -> None:
    said = case_samples.archives(cause=Reason(code="thesis-approved"))
    page = shown(replace(case_samples.clear(), statuses={**case_samples.clear().statuses, "archives": said}))
    assert lines(page)["archives-thesis"].turned == "档案馆 已变为 通过：档案馆审核论文"


def test_english_has_every_sentence_and_leaves_names_as_they_are() -> None:
    page = shown(case_samples.blocked(), language="en")
    assert page.student[0].value == "欧阳𠮷㛃"
    assert page.student[2].value == "Female"
    assert page.summary.next_step.startswith("Next: 2 books not returned. Please return them")


def test_the_same_reading_a_moment_later_is_the_same_page() -> None:
    later = NOW + timedelta(seconds=2)
    progress = case_progress(case_samples.clear(), (), site(), later)
    assert present(ViewContext(site(), catalogue("zh"), later), progress) == shown(case_samples.clear())
