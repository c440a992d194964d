"""What holds of the confirmation round's model in every state, and what can always be reached."""

from tests.support.model.answers import HELD, OBJECTED
from tests.support.model.round_state import ACCEPTED, CLEARANCE, OPEN, SAID_FORMS, SAID_REFUSED, State


def no_wrong_acceptance(state: State) -> bool:
    return not any(student.wrong for student in state.students)


def one_submission(state: State) -> bool:
    """One form of a student."""
    return all(
        sum((attempt.sent & form) > 0 for attempt in student.attempts for form in SAID_FORMS) <= 1
        for student in state.students
    )


def no_acceptance_lost(state: State) -> bool:
    """What was accepted stays so, except while the clearance reads what it has lost, and has no other end."""
    return all(
        state.behind == CLEARANCE or attempt.state == ACCEPTED
        for student in state.students
        for attempt in student.attempts
        if attempt.sent & ~SAID_REFUSED
    ) and not any(
        attempt.sent & SAID_REFUSED and attempt.sent & ~SAID_REFUSED
        for student in state.students
        for attempt in student.attempts
    )


def no_contradiction(state: State) -> bool:
    """A department whose database was not restored says of no attempt both that it is clear and that it is not."""
    if state.restored:
        return True
    return not any(
        told.sent & 1 << OBJECTED and any(told.sent & 1 << held for held in HELD.values())
        for student in state.students
        for column in student.columns
        for told in column.told
    )


def nothing_held(state: State) -> bool:
    return not any(told.hold for student in state.students for column in student.columns for told in column.told)


def nothing_open(state: State) -> bool:
    return not any(attempt.state == OPEN for student in state.students for attempt in student.attempts)


def is_own(label: str) -> bool:
    """A step that needs no record from elsewhere."""
    return "own: " in label or label == f"read to the end {CLEARANCE}"
