"""What the student sees of each check, over every state a department's status can be in: unknown is never clear."""

from datetime import timedelta
from typing import Any

import pytest

from schemas.events import NO_DATA, OPEN_QUESTION, UNKNOWN_REASONS, Reason
from services.gateway.case.decision import CheckResult, CheckState, Decision, WaitingReason, decide
from services.gateway.read_model.types import ReceivedStatus
from tests.support.samples.case_samples import NOW, check, received

BOUND_S = 60
BLOCKED = check("borrowing", {}, Reason(code="books-not-returned"))
CLEAR = check("borrowing", {})
REASONS = (Reason(code="books-not-returned"),)
UNKNOWN = {code: Reason(code=code) for code in sorted(UNKNOWN_REASONS)}


def decided(status: ReceivedStatus | None, **more: Any) -> CheckResult:
    statuses = {} if status is None else {"library": status}
    decision = decide(statuses, {"library": ("borrowing",)}, stale_before=NOW - timedelta(seconds=BOUND_S), **more)
    assert decision.clear is (decision.open == ())
    return decision.checks[0]


def result(state: CheckState, waiting: WaitingReason | None = None, reasons: tuple[Reason, ...] = ()) -> CheckResult:
    return CheckResult("library", "borrowing", state, waiting, reasons)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, result(CheckState.WAITING, WaitingReason.UNREPORTED)),
        (received("library", [check("thesis", {})]), result(CheckState.WAITING, WaitingReason.UNREPORTED)),
        (received("library", [check("thesis", {}), CLEAR]), result(CheckState.CLEAR)),
        (received("library", [BLOCKED]), result(CheckState.BLOCKED, None, REASONS)),
        (received("library", [BLOCKED], alive_ago_s=None), result(CheckState.BLOCKED, None, REASONS)),
        (received("library", [CLEAR], readable=False), result(CheckState.WAITING, WaitingReason.UNREADABLE)),
        (
            received("library", [BLOCKED], readable=False),
            result(CheckState.WAITING, WaitingReason.UNREADABLE, REASONS),
        ),
        (received("library", [CLEAR], alive_ago_s=None), result(CheckState.WAITING, WaitingReason.STALE)),
        (received("library", [CLEAR], alive_ago_s=BOUND_S + 0.001), result(CheckState.WAITING, WaitingReason.STALE)),
        (received("library", [CLEAR], alive_ago_s=BOUND_S), result(CheckState.CLEAR)),
    ],
    ids=[
        "no status",
        "a status without the check",
        "clear",
        "blocked",
        "blocked and silent",
        "clear, then unreadable",
        "blocked, then unreadable",
        "never alive",
        "silent beyond the bound",
        "alive exactly at the bound",
    ],
)
def test_a_status_is_shown_as_what_it_proves(status: ReceivedStatus | None, expected: CheckResult) -> None:
    assert decided(status) == expected


@pytest.mark.parametrize("code", UNKNOWN)
@pytest.mark.parametrize("others", [(), REASONS], ids=["alone", "beside another reason"])
@pytest.mark.parametrize("verdict", ["blocked", "clear"])
def test_what_the_department_does_not_know_waits_with_all_its_reasons(
    code: str, others: tuple[Reason, ...], verdict: str
) -> None:
    said = {**check("borrowing", {}, *others, UNKNOWN[code]), "verdict": verdict}
    expected = result(CheckState.WAITING, WaitingReason(code), (*others, UNKNOWN[code]))
    assert decided(received("library", [said])) == expected


@pytest.mark.parametrize("code", UNKNOWN)
def test_silence_and_what_cannot_be_read_keep_their_own_reason(code: str) -> None:
    said = check("borrowing", {}, UNKNOWN[code])
    silent = decided(received("library", [said], alive_ago_s=BOUND_S + 1))
    assert (silent.state, silent.waiting_reason) == (CheckState.WAITING, WaitingReason.STALE)
    garbled = decided(received("library", [said], readable=False))
    assert (garbled.state, garbled.waiting_reason) == (CheckState.WAITING, WaitingReason.UNREADABLE)


def test_a_question_is_named_before_a_lack_of_data() -> None:
    said = check("borrowing", {}, UNKNOWN[NO_DATA], UNKNOWN[OPEN_QUESTION])
    assert decided(received("library", [said])).waiting_reason is WaitingReason.OPEN_QUESTION


def test_a_department_whose_only_status_cannot_be_decoded_waits() -> None:
    assert decided(None, unreadable=frozenset({"library"})) == result(CheckState.WAITING, WaitingReason.UNREADABLE)


def test_the_checks_come_in_the_order_they_are_required_in_and_all_must_be_clear() -> None:
    required = {"library": ("thesis", "borrowing"), "dorm": ("check-out",)}
    statuses = {"library": received("library", [CLEAR, check("thesis", {})])}
    decision = decide(statuses, required, stale_before=NOW - timedelta(seconds=BOUND_S))
    assert [(one.department, one.check) for one in decision.checks] == [
        ("library", "thesis"),
        ("library", "borrowing"),
        ("dorm", "check-out"),
    ]
    assert [one.department for one in decision.open] == ["dorm"]
    assert not decision.clear


def test_nothing_required_is_not_clear() -> None:
    assert not Decision(()).clear


THESIS_WAIVED = frozenset({("library", "borrowing")})


@pytest.mark.parametrize(
    ("status", "reasons"),
    [
        (None, ()),
        (received("library", [CLEAR]), ()),
        (received("library", [BLOCKED]), REASONS),
        (received("library", [BLOCKED], readable=False), ()),
        (received("library", [CLEAR], alive_ago_s=None), ()),
    ],
    ids=["no status", "clear", "blocked", "unreadable", "silent"],
)
def test_a_waived_check_passes_whatever_is_known_and_keeps_what_the_department_says(
    status: ReceivedStatus | None, reasons: tuple[Reason, ...]
) -> None:
    assert decided(status, waived=THESIS_WAIVED) == result(CheckState.WAIVED, None, reasons)
    unreadable = decided(status, waived=THESIS_WAIVED, unreadable=frozenset({"library"}))
    assert unreadable.state is CheckState.WAIVED


def test_a_waiver_is_for_its_own_check_and_department() -> None:
    for key in (("library", "thesis"), ("archives", "borrowing")):
        assert decided(received("library", [BLOCKED]), waived=frozenset({key})).state is CheckState.BLOCKED
