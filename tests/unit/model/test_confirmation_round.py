"""The confirmation round holds in every state, and no rule of it can be left out.

Handlers touch the rows of one student, under one lock. So students meet in a restored store and in the clock alone, and
departments in the attempt: the sizes below are each searched to the end, and not three departments of two students at
once, which is the product of the first by itself.
"""

from dataclasses import replace

import pytest

from tests.support.model.answers import HELD
from tests.support.model.confirmation_round import Round
from tests.support.model.round_properties import (
    is_own,
    no_acceptance_lost,
    no_contradiction,
    no_wrong_acceptance,
    nothing_held,
    nothing_open,
    one_submission,
)
from tests.support.model.round_state import ACCEPTED, RULES, Rules, State, start
from tests.support.model.search import Found, search

PROPERTIES = {one.__name__: one for one in (no_wrong_acceptance, one_submission, no_acceptance_lost, no_contradiction)}
AT_REST = {one.__name__: one for one in (nothing_held, nothing_open)}
# (attempts of each student), departments, whether a store is restored, states
SIZES: list[tuple[tuple[int, ...], int, bool, int]] = [
    ((1,), 3, True, 38_219),
    ((1, 1), 1, True, 58_283),
    ((2,), 1, True, 36_957),
    ((1, 1), 2, False, 39_503),
]
# The rule, what breaks without it, and the least that shows it.
WITHOUT: dict[str, tuple[str, tuple[int, ...], int, bool]] = {
    "hold": ("no_wrong_acceptance", (1,), 3, False),
    "grace": ("no_wrong_acceptance", (1,), 3, False),
    "every_department": ("no_wrong_acceptance", (1,), 3, False),
    "expiry": ("no_wrong_acceptance", (1,), 3, False),
    "own_outcomes_first": ("no_acceptance_lost", (1,), 1, True),
    "one_answer_an_attempt": ("no_contradiction", (1,), 3, False),
    "release_by_own_end": ("no_wrong_acceptance", (2,), 1, False),
    "one_submission_a_case": ("one_submission", (2,), 1, False),
    "holds_lapse": ("nothing_held", (1,), 1, False),
    "attempts_expire": ("nothing_open", (1,), 1, False),
    "one_transaction": ("no_wrong_acceptance", (1,), 1, False),
    "held_until": ("no_wrong_acceptance", (1,), 2, True),
    "reads_before_it_changes": ("no_wrong_acceptance", (1,), 2, True),
}
# What the rule stands in for: departments of an older version do not say until when they hold.
BESIDE = {"expiry": {"held_until": False}}


def explore(rules: Rules, attempts: tuple[int, ...], departments: int, faults: bool) -> Found[State]:
    steps = Round(rules, faults=faults).steps
    return search(start(*attempts, departments=departments), steps, PROPERTIES, own=is_own, at_rest=AT_REST)


@pytest.mark.parametrize(("attempts", "departments", "faults", "states"), SIZES)
def test_the_round_holds_in_every_state(attempts: tuple[int, ...], departments: int, faults: bool, states: int) -> None:
    found = explore(Rules(), attempts, departments, faults)
    assert (found.broken, found.trace) == (None, ())
    assert found.states == states


@pytest.mark.parametrize("rule", RULES)
def test_without_one_rule_a_short_trace_breaks_the_round(rule: str) -> None:
    broken, attempts, departments, faults = WITHOUT[rule]
    found = explore(replace(Rules(), **{rule: False, **BESIDE.get(rule, {})}), attempts, departments, faults)
    assert found.broken == broken
    assert 0 < len(found.trace) <= 12, found.trace


def test_a_department_restored_to_before_its_hold_may_take_a_debt_before_it_is_asked_again() -> None:
    found = explore(replace(Rules(), reads_before_it_changes=False), (1,), 2, True)
    restored = found.trace.index("restore 0")
    assert found.trace[restored + 1] == "0: debt"
    assert found.trace[-1] == "0: answer 1 of 0 to 0"


def test_an_attempt_opened_again_may_count_an_answer_whose_hold_has_lapsed() -> None:
    found = explore(replace(Rules(), held_until=False), (1,), 2, True)
    assert found.trace.index("0: own: 0 lets the hold of 0 lapse") < found.trace.index("restore -1")


def test_an_attempt_opened_again_is_accepted_once_its_departments_hold_for_as_long() -> None:
    """Not only safe: the search reaches it."""
    found = search(start(1, departments=1), Round(Rules(), faults=True).steps, {"never": lambda it: not prolonged(it)})
    assert found.broken == "never"
    assert found.trace[-1] == f"0: answer {HELD[2]} of 0 to 0"


def prolonged(state: State) -> bool:
    """Accepted after its first life, on an answer that was first given in it."""
    attempt, told = state.students[0].attempts[0], state.students[0].columns[0].told[0]
    return attempt.state == ACCEPTED and state.clock == 1 and told.sent == 1 << HELD[1] | 1 << HELD[2]
