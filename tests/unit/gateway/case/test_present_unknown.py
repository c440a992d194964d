"""What is not known is grey on the case page, and says whose it is and whom to ask."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from msgspec import structs

from schemas.events import Reason
from services.gateway.case.decision import CheckState
from services.gateway.read_model.types import (
    ReadModelUnavailable,
    ReceivedStatus,
)
from services.kit.rules.reasons import COVERAGE_CHANGED
from tests.support.samples import case_samples
from tests.support.samples.case_samples import NOW
from tests.unit.gateway.case.shown import CLEAR, lines, shown


def test_the_first_page_is_grey_and_says_whose_data_is_missing() -> None:
    page = shown(case_samples.without_data())
    assert {line.state for line in lines(page).values()} == {CheckState.WAITING}
    assert (page.summary.tone, page.summary.sentence) == ("waiting", "正在等待各部门的数据")
    assert page.summary.next_step == (
        "尚未收到图书馆、档案馆、总务部公寓与物业中心、财务处收费管理办公室关于您的数据。"
        "各部门提供后自动更新，现在无需办理；如有疑问，请拨打各事项的咨询电话。"
    )
    line = lines(page)["finance-arrears"]
    assert line.todo == (
        "尚未收到财务处收费管理办公室关于您的数据，暂不能判定是否通过。数据到达后自动更新；"
        "如有疑问请咨询财务处收费管理办公室。",
    )
    assert [part.text for part in line.phones if part.dial] == ["0516-83590233"]
    assert page.submit.state == "open-items"


def test_a_department_that_has_no_data_promises_nothing() -> None:
    for language in ("zh", "en"):
        for line in lines(shown(case_samples.without_data(), language=language)).values():
            assert not line.known
            assert line.table is None
            assert line.command is None or not line.command.offered
            assert line.freshness is None, "the opening of the case is no news of the department"


def test_a_department_that_withdrew_its_list_says_when_and_that() -> None:
    withdrawn = case_samples.received(
        "archives", [case_samples.check("thesis", {}, case_samples.NO_DATA)], cause=COVERAGE_CHANGED()
    )
    line = lines(shown(replace(case_samples.clear(), statuses={**CLEAR, "archives": withdrawn})))["archives-thesis"]
    assert line.freshness is not None
    assert (line.known, line.freshness.cause) == (False, "部门的名单有更新")


def test_one_late_department_is_named_with_its_phone() -> None:
    statuses = {**case_samples.clear().statuses, "finance": case_samples.without_data().statuses["finance"]}
    page = shown(replace(case_samples.clear(), statuses=statuses))
    assert page.summary.sentence == "4 项已通过，1 项待同步"
    assert page.summary.next_step.endswith("如有疑问请咨询财务处收费管理办公室（0516-83590233）。")
    page = shown(replace(case_samples.clear(), statuses=statuses), language="en")
    assert page.summary.next_step.endswith("if in doubt, call Finance office (0516-83590233).")


def test_a_refused_row_is_grey_and_what_is_known_is_no_promise() -> None:
    page = shown(case_samples.in_question())
    line = lines(page)["finance-arrears"]
    assert line.state is CheckState.WAITING
    assert line.todo[0].startswith("财务处收费管理办公室有一条关于您的数据未能录入，正在核实，暂不能判定是否通过。")
    assert line.table is None
    assert line.freshness is not None
    assert line.freshness.cause == "有一条数据待核实"
    assert page.summary.next_step.endswith("（0516-83590233）。")
    assert page.submit.state == "open-items"


def test_what_is_known_stays_beside_what_is_in_question() -> None:
    known = Reason(code="arrears", parameters={"count": 3, "total": "682.40"})
    said = case_samples.finance(case_samples.FEES, "682.40", known, case_samples.OPEN_QUESTION)
    line = lines(shown(replace(case_samples.clear(), statuses={**CLEAR, "finance": said})))["finance-arrears"]
    assert line.state is CheckState.WAITING
    assert line.table is not None
    assert len(line.table.rows) == 3
    assert "正在核实" in line.todo[0]
    assert line.todo[1] == "有 3 项欠费，共 682.40 元，请到财务处办理交费业务。"


def test_a_department_that_never_spoke_is_grey_and_blocks() -> None:
    page = shown(case_samples.waiting())
    assert lines(page)["archives-thesis"].state is CheckState.WAITING
    assert "尚未同步" in lines(page)["archives-thesis"].todo[0]
    assert page.submit.state == "open-items"


def test_a_pass_older_than_the_bound_is_grey_and_says_since_when() -> None:
    line = lines(shown(case_samples.waiting()))["dorm-check-out"]
    assert line.state is CheckState.WAITING
    assert line.todo == ("10:20以后未收到总务部公寓与物业中心的数据，暂不能判定是否通过；恢复后自动更新。",)


def test_an_open_line_that_is_old_says_that_it_may_not_be_the_newest() -> None:
    old = case_samples.archives("empty", Reason(code="thesis-empty"), alive_ago_s=600)
    line = lines(shown(replace(case_samples.clear(), statuses={**case_samples.clear().statuses, "archives": old})))[
        "archives-thesis"
    ]
    assert line.state is CheckState.BLOCKED
    assert line.freshness is not None
    assert "可能不是最新" in line.freshness.note


@pytest.mark.parametrize("unreadable", [True, False], ids=["no word at all", "a word before"])
def test_what_cannot_be_read_is_grey(unreadable: bool) -> None:
    statuses = dict(case_samples.clear().statuses)
    if unreadable:
        del statuses["finance"]
        reading = replace(case_samples.clear(), statuses=statuses, unreadable=frozenset({"finance"}))
    else:
        statuses["finance"] = replace(statuses["finance"], readable=False)
        reading = replace(case_samples.clear(), statuses=statuses)
    line = lines(shown(reading))["finance-arrears"]
    assert line.state is CheckState.WAITING
    assert line.todo == ("财务处收费管理办公室的数据无法读取，已通知技术人员处理，暂不能判定是否通过。",)


def test_nothing_but_a_fresh_readable_clear_word_is_ever_green() -> None:
    """Every combination of said, readable and fresh over two departments."""
    kinds: dict[str, ReceivedStatus | None] = {
        "clear": case_samples.archives(),
        "blocked": case_samples.archives("empty", Reason(code="thesis-empty")),
        "unreadable": case_samples.archives(readable=False),
        "stale": case_samples.archives(alive_ago_s=61),
        "no mark": case_samples.archives(alive_ago_s=None),
        "silent": None,
        "no data": case_samples.archives("approved", case_samples.NO_DATA),
        "in question": case_samples.archives("approved", case_samples.OPEN_QUESTION),
    }
    for kind, other in product(kinds, kinds):
        statuses = dict(case_samples.clear().statuses)
        del statuses["archives"], statuses["dorm"]
        for department, each in (("archives", kinds[kind]), ("dorm", kinds[other])):
            if each is not None:
                checks = each.status.checks
                if department == "dorm":
                    checks = (checks[0].model_copy(update={"check": "check-out", "facts": {"residences": []}}),)
                statuses[department] = replace(each, status=structs.replace(each.status, checks=checks))
        page = shown(replace(case_samples.clear(), statuses=statuses))
        green = {anchor for anchor, line in lines(page).items() if line.state is CheckState.CLEAR}
        assert ("archives-thesis" in green) == (kind == "clear")
        assert ("dorm-check-out" in green) == (other == "clear")
        assert (page.submit.state == "ready") == (kind == other == "clear")


def test_while_the_read_model_is_away_nothing_is_green_and_nothing_can_be_submitted() -> None:
    page = shown(ReadModelUnavailable(NOW - timedelta(minutes=3)))
    assert {line.state for line in lines(page).values()} == {CheckState.WAITING}
    assert page.summary.sentence == "暂时无法获取离校数据（10:32起）"
    assert all("暂时无法获取" in line.todo[0] and line.phones for line in lines(page).values())
    assert page.submit.state == "unavailable"
