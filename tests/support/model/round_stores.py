"""A store of the confirmation round's model: its copy, its restore, and what it reads afterwards."""

from tests.support.model.round_state import (
    ACCEPTED,
    CLEARANCE,
    DEBTOR,
    OPEN,
    REFUSED,
    SAID_REFUSED,
    UNKNOWN,
    Copy,
    State,
    Student,
    end_of,
    with_attempt,
    with_told,
)


def outcomes_read(student: Student, number: int) -> Student:
    """As `Restoring.ended`, one after another."""
    attempt = student.attempts[number]
    if attempt.sent & ~SAID_REFUSED:
        return end_of(student, number, ACCEPTED, 0)
    if attempt.sent and attempt.state in (UNKNOWN, OPEN):
        return end_of(student, number, REFUSED, 0)
    return student


def stored(student: Student, store: int) -> Copy:
    """A store's copy about a student."""
    if store == CLEARANCE:
        attempts = tuple((attempt.state, attempt.expires) for attempt in student.attempts)
        return Copy(attempts, tuple(tuple(told.counted for told in column.told) for column in student.columns))
    return Copy(told=tuple((told.answer, told.hold, told.end) for told in student.columns[store].told))


def restored(student: Student, store: int, copy: Copy) -> Student:
    for number, (state, expires) in enumerate(copy.attempts):
        attempt = student.attempts[number]._replace(state=state, expires=expires)
        student = with_attempt(student, number, attempt)
    for name, counted in enumerate(copy.counted):
        for number, answer in enumerate(counted):
            student = with_told(student, name, number, counted=answer)
    for number, (answer, hold, end) in enumerate(copy.told):
        student = with_told(student, store, number, answer=answer, hold=hold, end=end)
    return student


def canonical(state: State) -> State:
    """Departments without debts are alike, so states that differ in their order alone are one."""
    store = state.backup[0] if state.backup else CLEARANCE
    departments = range(len(state.students[0].columns))
    keys = [
        (name != DEBTOR, tuple(student.columns[name] for student in state.students), name == store)
        for name in departments
    ]
    order = sorted(departments, key=keys.__getitem__)
    if order == list(departments):
        return state
    students = tuple(
        student._replace(columns=tuple(student.columns[name] for name in order)) for student in state.students
    )
    backup, behind = state.backup, state.behind
    if backup is not None:
        copies = tuple(
            copy._replace(counted=tuple(copy.counted[name] for name in order if copy.counted)) for copy in backup[1]
        )
        backup = (CLEARANCE if backup[0] == CLEARANCE else order.index(backup[0])), copies
    if behind is not None and behind != CLEARANCE:
        behind = order.index(behind)
    return state._replace(students=students, backup=backup, behind=behind)
