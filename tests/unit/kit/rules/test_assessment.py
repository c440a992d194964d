"""From a department's rules to its next status."""

from datetime import UTC, datetime

from schemas.events import Reason, StatusChanged, Verdict
from services.kit.rules.assessment import Assessment, check_status, next_status

NOW = datetime(2026, 6, 8, 2, tzinfo=UTC)
CAUSE = Reason(code="record-replaced")
ARREARS = Reason(code="arrears", parameters={"count": 1})
CLEAR = Assessment((check_status("arrears", (), {"total": "0.00"}),))
BLOCKED = Assessment((check_status("arrears", (ARREARS,), {"total": "12.00"}),))


def status(
    previous: StatusChanged | None, assessment: Assessment, *, floor: int = 0, again: bool = False
) -> StatusChanged | None:
    return next_status(
        previous, assessment, student_id="TS1", department="finance", cause=CAUSE, now=NOW, floor=floor, again=again
    )


def test_a_check_is_clear_exactly_when_there_is_no_reason_against_it() -> None:
    (clear,), (blocked,) = CLEAR.checks, BLOCKED.checks
    assert (clear.check, clear.verdict, clear.reasons, clear.facts) == ("arrears", Verdict.CLEAR, (), {"total": "0.00"})
    assert (blocked.verdict, blocked.reasons) == (Verdict.BLOCKED, (ARREARS,))


def test_an_assessment_is_clear_when_every_check_is_and_there_is_one() -> None:
    assert CLEAR.clear
    assert not BLOCKED.clear
    assert not Assessment((*CLEAR.checks, *BLOCKED.checks)).clear
    assert not Assessment(()).clear
    assert Assessment((*CLEAR.checks, *BLOCKED.checks)).reasons == (ARREARS,)


def test_the_first_status_has_version_one_and_says_what_was_assessed_and_why() -> None:
    assert status(None, BLOCKED) == StatusChanged(
        student_id="TS1", department="finance", version=1, occurred_at=NOW, cause=CAUSE, checks=BLOCKED.checks
    )


def test_a_changed_assessment_is_the_next_version_and_an_unchanged_one_is_nothing() -> None:
    first = status(None, BLOCKED)
    assert first is not None
    second = status(first, CLEAR)
    assert second is not None
    assert (second.version, second.checks) == (2, CLEAR.checks)
    assert status(second, CLEAR) is None


def test_above_the_floor_a_status_is_published_even_if_it_repeats_and_later_ones_count_on() -> None:
    first = status(None, BLOCKED)
    assert first is not None
    above = status(first, BLOCKED, floor=41)
    assert above is not None
    assert (above.version, above.checks) == (42, BLOCKED.checks)
    assert status(above, BLOCKED, floor=41) is None
    following = status(above, CLEAR, floor=41)
    assert following is not None
    assert following.version == 43


def test_published_again_an_unchanged_assessment_is_the_next_version() -> None:
    first = status(None, BLOCKED)
    assert first is not None
    again = status(first, BLOCKED, again=True)
    assert again is not None
    assert (again.version, again.checks) == (2, BLOCKED.checks)


def test_clear_without_waived_checks_still_needs_every_other_and_one_at_all() -> None:
    both = Assessment((*CLEAR.checks, *BLOCKED.checks))
    assert BLOCKED.blocked == both.blocked == ("arrears",)
    assert both.clear_without({"arrears"})
    assert not both.clear_without({"card"})
    assert not both.clear_without(())
    assert not Assessment(()).clear_without({"arrears"})
