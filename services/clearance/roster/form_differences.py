"""What the roster says otherwise than a form that stands. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from schemas.events import CaseState, Reason
from services.clearance.roster.cases import Case

TAKEN_OFF: Final = "taken-off"
NEW_CASE: Final = "new-case"
FORMER_NUMBER: Final = "former-number"
_CHANGED: Final[Mapping[str, str]] = {
    "name": "name-changed",
    "gender": "gender-changed",
    "college": "college-changed",
    "major": "major-changed",
    "grade": "grade-changed",
    "enrolled_on": "enrolled-on-changed",
    "leave_category": "category-changed",
    "cohort": "cohort-changed",
    "degree_level": "degree-level-changed",
    "campus": "campus-changed",
    "study_form": "study-form-changed",
}
"""Field → reason code. `was` is as signed, `now` as the roster has it."""
_IF_STATED: Final = frozenset({"cohort", "degree_level", "campus", "study_form"})
"""What a roster may leave out."""
_OF_THE_PERSON: Final = frozenset({"name", "gender"})
"""What a later case has in common with an earlier one."""

REASON_CODES: Final = frozenset({TAKEN_OFF, NEW_CASE, FORMER_NUMBER, *_CHANGED.values()})


def differences(
    signed: Mapping[str, Any],
    case: Case,
    *,
    case_number: int,
    handed_over: bool,
    not_asked: Iterable[str] = (),
) -> tuple[Reason, ...]:
    """`signed`: the student as accepted in case `case_number`; what only one of the two states is none.

    `not_asked`: former numbers joined since. That a later case was opened says nothing against certificates that were
    handed over before.
    """
    current = case.student.model_dump(mode="json")
    earlier = case.case_number > case_number
    reasons = []
    if earlier and not handed_over:
        reasons.append(Reason(code=NEW_CASE, parameters={"cohort": case.student.cohort or "—"}))
    if not earlier and (case.taken_off or case.state is CaseState.CLOSED):
        reasons.append(Reason(code=TAKEN_OFF))
    if not earlier:
        reasons += [Reason(code=FORMER_NUMBER, parameters={"number": number}) for number in not_asked]
    for field, code in _CHANGED.items():
        was, now = signed.get(field), current[field]
        if was == now or (earlier and field not in _OF_THE_PERSON):
            continue
        if field in _IF_STATED and not (was and now):
            continue
        reasons.append(Reason(code=code, parameters={"was": str(was or ""), "now": str(now or "")}))
    return tuple(reasons)
