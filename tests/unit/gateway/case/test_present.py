"""The information page as a model: what a student is told in every state, and that nothing unknown is a pass."""

from dataclasses import replace
from datetime import timedelta

import pytest

from schemas.events import CaseState, Reason
from services.gateway.case.decision import CheckState
from services.gateway.case.present import present
from services.gateway.case.progress import case_progress
from services.gateway.case.student_info import SLOTS
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import catalogue
from services.gateway.read_model.types import (
    StudentSnapshot,
)
from services.kit.rules.reasons import SHARED_CAUSES
from tests.support.samples import case_samples
from tests.support.samples.case_samples import NOW, site
from tests.unit.gateway.case.shown import CLEAR, lines, shown


def test_all_passed_says_so_and_offers_the_submission() -> None:
    page = shown(case_samples.clear())
    assert page.summary.sentence == "5 项全部通过"
    assert page.submit.state == "ready"
    assert {line.state for line in lines(page).values()} == {CheckState.CLEAR}


def test_one_open_line_is_named_first_with_what_to_do() -> None:
    page = shown(case_samples.nearly())
    assert page.summary.sentence == "4 项已通过，还差 1 项"
    assert page.summary.open == (("library-thesis", "图书馆-论文提交"),)
    assert page.summary.next_step == "下一步：图书馆正在审核论文，请等待。"
    assert page.submit.state == "open-items"


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
