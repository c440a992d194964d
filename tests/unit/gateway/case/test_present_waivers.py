"""Checks that are not needed on the case page."""

import re
from dataclasses import replace

from schemas.events import Reason
from services.gateway.case.decision import CheckState
from services.gateway.case.present import present
from services.gateway.case.progress import case_progress
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import catalogue
from services.gateway.read_model.types import (
    StudentWaivers,
)
from services.gateway.web.renderer import Renderer
from services.kit.clearance_policy import ClearancePolicy
from services.kit.rules.waivers import CheckRule
from tests.support.samples import case_samples
from tests.support.samples.case_samples import NOW, site
from tests.unit.gateway.case.shown import asked, lines, shown


def test_a_check_that_is_not_needed_is_grey_says_why_and_until_when_and_shows_what_the_department_says() -> None:
    page = shown(case_samples.waived())
    thesis, debt = lines(page)["library-thesis"], lines(page)["finance-arrears"]
    assert (thesis.state, thesis.verdict, thesis.todo) == (CheckState.WAIVED, "无需办理", ())
    assert thesis.waiver == "无需办理：涉密论文，由导师归档（有效期至2026年12月31日）"
    assert (debt.state, debt.verdict) == (CheckState.WAIVED, "特批放行")
    assert debt.table is not None
    assert debt.table.total is not None
    assert "682.40" in debt.table.total[1]
    assert page.summary.sentence == "3 项已通过，2 项无需办理"
    assert (page.submit.state, page.submit.sentence) == (
        "ready",
        "全部事项均已通过或无需办理。提交后不能撤回，且只能提交一次。",
    )


def test_a_check_that_is_not_needed_in_english() -> None:
    page = shown(case_samples.waived(), language="en")
    thesis = lines(page)["library-thesis"]
    assert (thesis.verdict, lines(page)["finance-arrears"].verdict) == ("Not needed", "Released")
    assert thesis.waiver == "Not needed: 涉密论文，由导师归档 (until 31 December 2026)"
    assert page.summary.sentence == "3 passed, 2 not needed"


def test_a_waived_check_opens_no_other() -> None:
    said = case_samples.waived()
    borrowing = case_samples.check("borrowing", {}, Reason(code="debt-open", parameters={"amount": "7.60"}))
    page = shown(replace(said, statuses={**said.statuses, "library": case_samples.library(borrowing)}))
    assert page.submit.state == "open-items"
    assert [task.anchor for task in page.summary.open] == ["library-borrowing"]
    assert page.summary.sentence == "2 项已通过，还差 1 项"


def test_the_list_of_what_is_left_counts_a_waived_check_as_the_sentence_does_and_calls_it_what_its_line_does() -> None:
    said = case_samples.waived()
    borrowing = case_samples.check("borrowing", {}, Reason(code="debt-open", parameters={"amount": "7.60"}))
    said = replace(said, statuses={**said.statuses, "library": case_samples.library(borrowing)})
    html = Renderer(site(), case_samples.FOLDER).live(shown(said), catalogue("zh"))
    summary = html[html.index('id="summary"') : html.index("</section>")]
    assert "2 项已通过，还差 1 项" in summary
    assert "已通过 2/5，无需办理 2 项" in summary
    assert re.findall(r'class="unseen">\s*([^<]*)<', summary) == ["无需办理", "通过", "通过", "特批放行"]


def test_a_rule_of_the_university_is_shown_in_the_readers_language_without_an_end() -> None:
    rule = CheckRule.model_validate(
        {
            "checks": ["dorm.check-out"],
            "when": {"study_form": ["非全日制"]},
            "reason": {"zh": "非全日制学生不住校", "en": "Part-time students do not live on campus"},
        }
    )
    policy = ClearancePolicy(not_applicable=(rule,))
    ruled = replace(site(), policy=policy)
    said = replace(case_samples.clear(), waivers=StudentWaivers({"study_form": "非全日制"}))
    for language, sentence in (
        ("zh", "无需办理：非全日制学生不住校"),
        ("en", "Not needed: Part-time students do not live on campus"),
    ):
        texts = catalogue("en" if language == "en" else "zh")
        page = present(ViewContext(ruled, texts, NOW), case_progress(said, (), ruled, NOW))
        assert lines(page)["dorm-check-out"].waiver == sentence
    other = replace(said, waivers=StudentWaivers({"study_form": "未知"}))
    page = present(ViewContext(ruled, catalogue("zh"), NOW), case_progress(other, (), ruled, NOW))
    assert lines(page)["dorm-check-out"].state is CheckState.CLEAR


def test_a_department_that_has_nothing_to_confirm_is_not_waited_for() -> None:
    page = shown(case_samples.waived(), asked())
    assert [one.words for one in page.submit.round] == [
        "等待图书馆确认…",
        "等待档案馆确认…",
        "等待总务部公寓与物业中心确认…",
    ]


def test_an_accepted_form_shows_the_waivers_it_was_accepted_with() -> None:
    page = shown(case_samples.completed_with_waivers())
    assert page.form is not None
    views = {line.anchor: line for group in page.form.groups for line in group.lines}
    assert {name: view.state for name, view in views.items()} == {
        "library-borrowing": CheckState.CLEAR,
        "library-thesis": CheckState.WAIVED,
        "archives-thesis": CheckState.CLEAR,
        "dorm-check-out": CheckState.CLEAR,
        "finance-arrears": CheckState.WAIVED,
    }
    assert views["finance-arrears"].waiver == "特批放行：已核对缴费凭证（有效期至2026年7月1日）"
    assert not views["finance-arrears"].known, "nobody was asked"
