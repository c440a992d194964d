"""Which lines turned between two statuses."""

import pytest

from schemas.events import CheckStatus, Reason, Verdict
from services.notices.news.turns import LineState, Turn, known_states, line_state, turns

CLEAR, BLOCKED, UNKNOWN = LineState.CLEAR, LineState.BLOCKED, LineState.UNKNOWN


def check(name: str, *codes: str) -> CheckStatus:
    verdict = Verdict.BLOCKED if codes else Verdict.CLEAR
    return CheckStatus(check=name, verdict=verdict, reasons=tuple(Reason(code=code) for code in codes))


@pytest.mark.parametrize(
    ("codes", "state"),
    [
        ((), CLEAR),
        (("arrears",), BLOCKED),
        (("no-data",), UNKNOWN),
        (("open-question",), UNKNOWN),
        (("arrears", "open-question"), UNKNOWN),
    ],
)
def test_a_line_is_what_the_department_knows_of_it(codes: tuple[str, ...], state: LineState) -> None:
    assert line_state(check("arrears", *codes)) is state


def test_what_is_called_clear_and_not_known_is_waited_for_on_the_page_and_is_no_good_news() -> None:
    contradicting = CheckStatus(check="thesis", verdict=Verdict.CLEAR, reasons=(Reason(code="no-data"),))
    assert line_state(contradicting) is UNKNOWN
    assert turns({"thesis": BLOCKED}, [contradicting]) == ()


def test_a_line_that_changes_between_clear_and_blocked_turned() -> None:
    known = {"thesis": BLOCKED, "borrowing": CLEAR}
    assert turns(known, [check("thesis"), check("borrowing", "books")]) == (
        Turn("thesis", BLOCKED, CLEAR),
        Turn("borrowing", CLEAR, BLOCKED),
    )


def test_a_first_known_state_is_no_turn_also_after_no_data() -> None:
    assert turns({}, [check("thesis", "books")]) == ()
    assert turns(known_states({}, [check("thesis", "no-data")]), [check("thesis")]) == ()


def test_a_line_that_was_unknown_in_between_is_compared_with_what_it_was_before() -> None:
    known = known_states({"thesis": BLOCKED}, [check("thesis", "open-question")])
    assert known == {"thesis": BLOCKED}
    assert turns(known, [check("thesis", "books")]) == ()
    assert turns(known, [check("thesis")]) == (Turn("thesis", BLOCKED, CLEAR),)


def test_a_waived_check_does_not_turn() -> None:
    assert turns({"thesis": CLEAR}, [check("thesis", "books")], ("thesis",)) == ()


def test_a_check_that_the_status_no_longer_has_stays_as_it_was() -> None:
    assert known_states({"gone": CLEAR}, [check("thesis")]) == {"gone": CLEAR, "thesis": CLEAR}
    assert turns({"gone": CLEAR}, [check("thesis")]) == ()
