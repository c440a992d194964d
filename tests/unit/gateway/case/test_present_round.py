"""Commands, the round of a submission and its form on the case page."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from schemas.attempts import AttemptState
from schemas.events import AttestationOutcome, Reason
from services.gateway.case.decision import CheckState
from services.gateway.read_model.types import (
    Attempt,
    CommandState,
)
from tests.support.samples import case_samples
from tests.support.samples.case_samples import NOW
from tests.unit.gateway.case.shown import CLEAR, asked, lines, shown


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
    assert refusal[0].startswith("财务处收费管理办公室：尚未收到财务处收费管理办公室关于您的数据")
    assert refusal[0].endswith("（0516-83590233）。")
    assert "正在核实" in refusal[1]


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
    assert command.note == "注销未成功：还有 1 册图书未还，请到图书馆归还。"


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
