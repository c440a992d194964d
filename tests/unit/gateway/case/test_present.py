"""The information page as a model: what a student is told in every state, and that nothing unknown is a pass."""

from dataclasses import replace
from datetime import timedelta
from itertools import product
from uuid import uuid4

import pytest

from schemas.attempts import AttemptState
from schemas.events import AttestationOutcome, CaseState, Reason
from services.gateway.case.decision import CheckState
from services.gateway.case.present import present
from services.gateway.case.progress import case_progress
from services.gateway.case.student_info import SLOTS
from services.gateway.case.view_model import CasePage, CheckView
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import catalogue
from services.gateway.read_model.types import (
    SUBMIT,
    Attempt,
    Command,
    CommandState,
    ReadModelUnavailable,
    ReceivedStatus,
    StudentSnapshot,
    StudentWaivers,
)
from services.kit.clearance_policy import ClearancePolicy
from services.kit.rules.reasons import COVERAGE_CHANGED, SHARED_CAUSES
from services.kit.rules.waivers import CheckRule
from tests.support.samples import case_samples
from tests.support.samples.case_samples import NOW, site

CLEAR = case_samples.clear().statuses


def shown(reading: StudentSnapshot | ReadModelUnavailable, *commands: Command, language: str = "zh") -> CasePage:
    texts = catalogue("en" if language == "en" else "zh")
    return present(ViewContext(site(), texts, NOW), case_progress(reading, commands, site(), NOW))


def lines(page: CasePage) -> dict[str, CheckView]:
    return {line.anchor: line for group in page.groups for line in group.lines}


def asked(
    name: str = SUBMIT, department: str = "", state: CommandState = CommandState.ASKED, **more: object
) -> Command:
    return replace(Command(case_samples.ATTEMPT, department, name, state, NOW), **more)  # type: ignore[arg-type]


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


def test_the_first_page_is_grey_and_says_whose_data_is_missing() -> None:
    page = shown(case_samples.without_data())
    assert {line.state for line in lines(page).values()} == {CheckState.WAITING}
    assert (page.summary.tone, page.summary.sentence) == ("waiting", "正在等待各部门的数据")
    assert page.summary.next_step == (
        "还没有收到图书馆、档案馆、总务部公寓与物业中心、财务处收费管理办公室关于你的数据。"
        "各部门提供后自动更新，现在不用办理；如有疑问，请拨打各事项的咨询电话。"
    )
    line = lines(page)["finance-arrears"]
    assert line.todo == (
        "还没有收到财务处收费管理办公室关于你的数据，暂不算通过。数据到达后自动更新；"
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
    assert page.summary.next_step.endswith("if in doubt, ask: Finance office (0516-83590233).")


def test_a_refused_row_is_grey_and_what_is_known_is_no_promise() -> None:
    page = shown(case_samples.in_question())
    line = lines(page)["finance-arrears"]
    assert line.state is CheckState.WAITING
    assert line.todo[0].startswith("财务处收费管理办公室有一条关于你的数据没有录入成功，正在核实，暂不算通过。")
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


@pytest.mark.parametrize("cause", sorted(SHARED_CAUSES))
@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_cause_of_the_kit_has_words_at_every_department(cause: str, language: str) -> None:
    said = case_samples.archives(cause=Reason(code=cause))
    line = lines(shown(replace(case_samples.clear(), statuses={**CLEAR, "archives": said}), language=language))
    freshness = line["archives-thesis"].freshness
    assert freshness is not None
    assert freshness.cause


def test_a_submission_refused_for_what_a_department_does_not_know_says_so_and_whom_to_ask() -> None:
    ended = Attempt(
        case_samples.ATTEMPT,
        AttemptState.REFUSED,
        NOW - timedelta(minutes=1),
        NOW,
        "objected",
        {"finance": (case_samples.NO_DATA,), "archives": (case_samples.OPEN_QUESTION,)},
    )
    refusal = shown(replace(case_samples.without_data(), attempt=ended)).submit.refusal_reasons
    assert refusal[0].startswith("财务处收费管理办公室：还没有收到财务处收费管理办公室关于你的数据")
    assert refusal[0].endswith("（0516-83590233）。")
    assert "正在核实" in refusal[1]


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


def test_a_department_that_never_spoke_is_grey_and_blocks() -> None:
    page = shown(case_samples.waiting())
    assert lines(page)["archives-thesis"].state is CheckState.WAITING
    assert "尚未收到" in lines(page)["archives-thesis"].todo[0]
    assert page.submit.state == "open-items"


def test_a_pass_older_than_the_bound_is_grey_and_says_since_when() -> None:
    line = lines(shown(case_samples.waiting()))["dorm-check-out"]
    assert line.state is CheckState.WAITING
    assert line.todo == ("10:20以后没有收到总务部公寓与物业中心的消息，暂不算通过；恢复后自动更新。",)


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
    assert line.todo == ("财务处收费管理办公室发来的数据无法读取，已通知技术人员处理，暂不算通过。",)


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
                statuses[department] = replace(each, status=each.status.model_copy(update={"checks": checks}))
        page = shown(replace(case_samples.clear(), statuses=statuses))
        green = {anchor for anchor, line in lines(page).items() if line.state is CheckState.CLEAR}
        assert ("archives-thesis" in green) == (kind == "clear")
        assert ("dorm-check-out" in green) == (other == "clear")
        assert (page.submit.state == "ready") == (kind == other == "clear")


def test_while_the_read_model_is_away_nothing_is_green_and_nothing_can_be_submitted() -> None:
    page = shown(ReadModelUnavailable(NOW - timedelta(minutes=3)))
    assert {line.state for line in lines(page).values()} == {CheckState.WAITING}
    assert page.summary.sentence == "现在读不到离校数据（10:32起）"
    assert all("现在读不到" in line.todo[0] and line.phones for line in lines(page).values())
    assert page.submit.state == "unavailable"


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


def test_the_command_is_offered_exactly_when_the_facts_are_the_manifests() -> None:
    facts = case_samples.CARD_ACTIVE
    for change, offered in (
        ({}, True),
        ({"unreturned_count": 1}, False),
        ({"debt": "0.01"}, False),
        ({"violation_count": 1}, False),
        ({"card": "cancelled"}, False),
        ({"card": "none"}, False),
    ):
        said = case_samples.check("borrowing", {**facts, **change}, Reason(code="card-not-cancelled"))
        page = shown(replace(case_samples.clear(), statuses={**CLEAR, "library": case_samples.library(said)}))
        command = lines(page)["library-borrowing"].command
        assert command is not None
        assert command.offered is offered


def test_a_command_that_cannot_be_undone_is_not_offered_while_its_facts_are_in_question() -> None:
    said = case_samples.check(
        "borrowing", case_samples.CARD_ACTIVE, Reason(code="card-not-cancelled"), case_samples.OPEN_QUESTION
    )
    snapshot = replace(case_samples.clear(), statuses={**CLEAR, "library": case_samples.library(said)})
    refused = asked("cancel-card", "library", CommandState.REFUSED, ended_at=NOW)
    for commands in ((), (refused,)):
        command = lines(shown(snapshot, *commands))["library-borrowing"].command
        assert command is not None
        assert not command.offered


def test_an_asked_command_is_not_offered_again_and_the_next_step_is_to_wait() -> None:
    page = shown(case_samples.card_open(), asked("cancel-card", "library"))
    line = lines(page)["library-borrowing"]
    assert line.command is not None
    assert not line.command.offered
    assert line.command.note == "已于 10:35 提出注销，等待图书馆处理。"
    assert line.todo == (line.command.note,)
    assert page.summary.next_step == "已于 10:35 提出注销，等待图书馆处理。"


def test_while_a_command_is_under_way_the_next_step_is_another_items() -> None:
    statuses = {
        **case_samples.card_open().statuses,
        "archives": case_samples.archives("empty", Reason(code="thesis-empty")),
    }
    page = shown(replace(case_samples.card_open(), statuses=statuses), asked("cancel-card", "library"))
    assert page.summary.next_step == f"下一步：{lines(page)['archives-thesis'].todo[0]}"


def test_a_refused_command_says_why_and_is_offered_again() -> None:
    refused = asked(
        "cancel-card",
        "library",
        CommandState.REFUSED,
        ended_at=NOW,
        reasons=(Reason(code="books-not-returned", parameters={"count": 1}),),
    )
    command = lines(shown(case_samples.card_open(), refused))["library-borrowing"].command
    assert command is not None
    assert command.offered
    assert command.note == "注销没有成功：还有 1 册图书未还，请到图书馆归还。"


def test_a_done_command_waits_for_the_status_that_says_so() -> None:
    done = asked("cancel-card", "library", CommandState.DONE, ended_at=NOW)
    command = lines(shown(case_samples.card_open(), done))["library-borrowing"].command
    assert command is not None
    assert not command.offered


def test_the_round_shows_each_department_as_it_answers() -> None:
    attempt = Attempt(
        case_samples.ATTEMPT,
        AttemptState.OPEN,
        NOW,
        answers={"library": AttestationOutcome.CLEAR, "dorm": AttestationOutcome.OBJECTED},
    )
    page = shown(replace(case_samples.clear(), attempt=attempt), asked())
    assert page.submit.state == "asked"
    assert [line.state for line in page.submit.round] == ["confirmed", "waiting", "objected", "waiting"]
    assert page.submit.round[1].words == "等待档案馆确认…"


def test_an_asked_submission_is_a_round_before_the_clearance_has_opened_it() -> None:
    assert shown(case_samples.clear(), asked()).submit.state == "asked"


def test_a_refused_submission_lists_the_objections_and_may_be_asked_again() -> None:
    objections = {"finance": (Reason(code="arrears", parameters={"count": 1, "total": "60.00"}),)}
    refused = asked(state=CommandState.REFUSED, ended_at=NOW, cause="objected", objections=objections)
    page = shown(case_samples.clear(), refused)
    assert page.submit.state == "ready"
    assert page.submit.refusal_reasons == ("财务处收费管理办公室：有 1 项欠费，共 60.00 元，请到财务处办理交费业务。",)


@pytest.mark.parametrize("state", [AttemptState.REFUSED, AttemptState.EXPIRED])
def test_an_ended_attempt_ends_the_round_before_its_event_is_heard_here(state: AttemptState) -> None:
    attempt = Attempt(case_samples.ATTEMPT, state, NOW, ended_at=NOW, cause="expired")
    page = shown(replace(case_samples.clear(), attempt=attempt), asked())
    assert page.submit.state == "ready"
    assert page.submit.refusal


def test_a_newer_ask_is_not_ended_by_an_older_attempt() -> None:
    attempt = Attempt(uuid4(), AttemptState.REFUSED, NOW - timedelta(hours=1), ended_at=NOW - timedelta(minutes=50))
    assert shown(replace(case_samples.clear(), attempt=attempt), asked()).submit.state == "asked"


def test_a_completed_case_shows_its_form_with_the_facts_as_attested() -> None:
    later = case_samples.archives("empty", Reason(code="thesis-empty"))
    reading = case_samples.completed()
    page = shown(replace(reading, statuses={**reading.statuses, "archives": later}))
    assert page.standing == "completed"
    assert page.submit.state == "done"
    assert page.form is not None
    assert page.form.form_number == "LX2026-004217"
    assert {line.state for group in page.form.groups for line in group.lines} == {CheckState.CLEAR}


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
    assert page.summary.open == (("library-borrowing", "图书馆-图书借阅"),)
    assert page.summary.sentence == "2 项已通过，还差 1 项"


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
