"""State of the confirmation round's model: attempts, answers, holds, and the copies of one store."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final, NamedTuple

from tests.support.model.answers import NONE

LAST: Final = 2
DEBTOR: Final = 0
CLEARANCE: Final = -1
# States of an attempt, and what was sent of its end. Two acceptances of one attempt are two forms.
UNKNOWN, OPEN, REFUSED, ACCEPTED = range(4)
SAID_REFUSED, SAID_FORM, SAID_OTHER_FORM = 1, 2, 4
SAID_FORMS: Final = SAID_FORM, SAID_OTHER_FORM


@dataclass(frozen=True, slots=True)
class Rules:
    """Each may be taken out.

    `held_until`: an answer counts no longer than the hold that it was given with. `reads_before_it_changes`: a
    restored department takes no debt before it has read its topics again.
    """

    hold: bool = True
    grace: bool = True
    every_department: bool = True
    expiry: bool = True
    own_outcomes_first: bool = True
    one_answer_an_attempt: bool = True
    release_by_own_end: bool = True
    one_submission_a_case: bool = True
    holds_lapse: bool = True
    attempts_expire: bool = True
    one_transaction: bool = True
    held_until: bool = True
    reads_before_it_changes: bool = True


class Attempt(NamedTuple):
    """At the clearance; `sent` is in its topic. `requests`: the `expires` that were sent, as bits."""

    state: int = UNKNOWN
    expires: int = 0
    requests: int = 0
    sent: int = 0


class Told(NamedTuple):
    """Of one attempt at one department: in its database `answer`, `hold` (until) and `end`; `sent` is in its topic, as
    bits; `counted` is the clearance's."""

    answer: int = NONE
    hold: int = 0
    end: int = UNKNOWN
    sent: int = 0
    counted: int = NONE


class Column(NamedTuple):
    """A department and one student."""

    owes: bool
    told: tuple[Told, ...]


class Student(NamedTuple):
    """`wrong`: accepted while owing."""

    attempts: tuple[Attempt, ...]
    columns: tuple[Column, ...]
    wrong: bool = False


class Copy(NamedTuple):
    """What a store's backup has of a student: of the clearance `attempts` (state, expires) and `counted` by department,
    of a department `told` (answer, hold, end)."""

    attempts: tuple[tuple[int, int], ...] = ()
    counted: tuple[tuple[int, ...], ...] = ()
    told: tuple[tuple[int, int, int], ...] = ()


class State(NamedTuple):
    """`backup`: (store, its copy), taken or restored; `behind`: the restored store, until it has read its topics."""

    clock: int
    students: tuple[Student, ...]
    backup: tuple[int, tuple[Copy, ...]] | None = None
    restored: bool = False
    behind: int | None = None


def start(*attempts: int, departments: int = 3) -> State:
    """Students with so many attempts each. Nobody owes at first."""
    students = (Student((Attempt(),) * count, (Column(False, (Told(),) * count),) * departments) for count in attempts)
    return State(0, tuple(students))


RULES: Final = tuple(field.name for field in fields(Rules))


def bits(mask: int) -> Iterator[int]:
    return (bit for bit in range(mask.bit_length()) if mask >> bit & 1)


def with_attempt(student: Student, number: int, attempt: Attempt) -> Student:
    return student._replace(attempts=(*student.attempts[:number], attempt, *student.attempts[number + 1 :]))


def with_column(student: Student, name: int, column: Column) -> Student:
    return student._replace(columns=(*student.columns[:name], column, *student.columns[name + 1 :]))


def with_told(student: Student, name: int, number: int, **changed: int) -> Student:
    column = student.columns[name]
    told = (*column.told[:number], column.told[number]._replace(**changed), *column.told[number + 1 :])
    return with_column(student, name, column._replace(told=told))


def end_of(student: Student, number: int, state: int, said: int) -> Student:
    """What was counted is not looked at again."""
    attempt = student.attempts[number]
    student = with_attempt(student, number, attempt._replace(state=state, sent=attempt.sent | said))
    for name in range(len(student.columns)):
        if student.columns[name].told[number].counted:
            student = with_told(student, name, number, counted=NONE)
    return student
