"""The confirmation round as a model: a few small sets in place of tables and topics, the product's decisions as steps.

A topic is the set of what was ever sent on it, and any of it may be delivered at any time, again, or never: that is
loss, repetition and every order. A crash rolls back a transaction, which is no step, and its record is delivered again.
Of the stores one is backed up at some time and restored at another. What a student owes is the truth, which a backup
does not change: a debt that was lost with a database is beyond any protocol. An acceptance counts from its record in
the topic, which is sent with its transaction. A clock stands at 0, 1 or 2; a life and the grace are one unit, and a
department's clock may be one unit ahead.

Debts come at one department, to one student: a wrong acceptance needs no second, and others only object.
"""

from collections.abc import Iterator
from functools import cache

from tests.support.model.answers import (
    ENDED_ACCEPTED,
    ENDED_REFUSED,
    HELD,
    LAPSED,
    NONE,
    OBJECTED,
    answer_about_an_end,
    decided,
    held_until,
    is_prolonged,
)
from tests.support.model.round_state import (
    ACCEPTED,
    CLEARANCE,
    DEBTOR,
    LAST,
    OPEN,
    REFUSED,
    SAID_FORM,
    SAID_OTHER_FORM,
    SAID_REFUSED,
    UNKNOWN,
    Rules,
    State,
    Student,
    Told,
    bits,
    end_of,
    with_attempt,
    with_column,
    with_told,
)
from tests.support.model.round_stores import canonical, outcomes_read, restored, stored


class Round:
    """The steps under `rules`. `faults`: whether a store may be restored."""

    def __init__(self, rules: Rules, *, faults: bool) -> None:
        self.rules, self.faults = rules, faults
        self._steps_of = cache(lambda *of: tuple(self._of_student(*of)))

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        for index, student in enumerate(state.students):
            form = SAID_OTHER_FORM if state.restored and state.backup and state.backup[0] == CLEARANCE else SAID_FORM
            for label, following in self._steps_of(student, state.clock, state.behind, form, index == 0):
                students = (*state.students[:index], following, *state.students[index + 1 :])
                yield f"{index}: {label}", canonical(state._replace(students=students))
        if state.clock < LAST:
            yield "own: clock", state._replace(clock=state.clock + 1)
        if self.faults:
            for label, following_state in self._store_steps(state):
                yield label, canonical(following_state)

    def _store_steps(self, state: State) -> Iterator[tuple[str, State]]:
        if state.backup is None:
            for store in (CLEARANCE, *range(len(state.students[0].columns))):
                copies = tuple(stored(student, store) for student in state.students)
                yield f"back up {store}", state._replace(backup=(store, copies))
        elif not state.restored:
            store, copies = state.backup
            students = tuple(
                restored(student, store, copy) for student, copy in zip(state.students, copies, strict=True)
            )
            behind = store if self._reads_first(store) else None
            yield (
                f"restore {store}",
                state._replace(students=students, restored=True, behind=behind, backup=(store, ())),
            )
        if state.behind is not None:
            students = tuple(self._caught_up(student, state.behind) for student in state.students)
            yield f"read to the end {state.behind}", state._replace(students=students, behind=None)

    def _reads_first(self, store: int) -> bool:
        return self.rules.own_outcomes_first if store == CLEARANCE else self.rules.reads_before_it_changes

    def _caught_up(self, student: Student, store: int) -> Student:
        for number, attempt in enumerate(student.attempts):
            if store == CLEARANCE:
                student = outcomes_read(student, number)
                continue
            for expires in bits(attempt.requests):
                student = self._requested(student, number, store, expires)
            for end in bits(attempt.sent):
                student = self._ended(student, number, store, REFUSED if 1 << end == SAID_REFUSED else ACCEPTED)
        return student

    def _of_student(
        self, student: Student, clock: int, behind: int | None, form: int, has_debts: bool
    ) -> Iterator[tuple[str, Student]]:
        for number, attempt in enumerate(student.attempts):
            if behind != CLEARANCE:
                yield from self._of_clearance(student, number, clock, form)
            for name in range(len(student.columns)):
                for expires in bits(attempt.requests):
                    asked = self._requested(student, number, name, expires)
                    yield f"request of {number} until {expires} to {name}", asked
                    if not self.rules.one_transaction:
                        said = asked.columns[name].told[number].sent
                        yield f"crash of {name} after it answered {number}", with_told(student, name, number, sent=said)
                for end in bits(attempt.sent):
                    outcome = REFUSED if 1 << end == SAID_REFUSED else ACCEPTED
                    yield f"end {outcome} of {number} to {name}", self._ended(student, number, name, outcome)
                told = student.columns[name].told[number]
                if self.rules.holds_lapse and told.hold and clock + 1 >= told.hold + self.rules.grace:
                    yield (
                        f"own: {name} lets the hold of {number} lapse",
                        with_told(student, name, number, hold=0, answer=LAPSED),
                    )
        column = student.columns[DEBTOR]
        if not has_debts:
            return
        if column.owes:
            yield "payment", with_column(student, DEBTOR, column._replace(owes=False))
        elif not any(told.hold for told in column.told) and behind != DEBTOR:
            yield "debt", with_column(student, DEBTOR, column._replace(owes=True))

    def _of_clearance(self, student: Student, number: int, clock: int, form: int) -> Iterator[tuple[str, Student]]:
        attempt = student.attempts[number]
        if attempt.state == UNKNOWN and clock < LAST:
            yield f"command {number}", self._opened(student, number, clock)
        if attempt.state == OPEN:
            for name, column in enumerate(student.columns):
                # How an attempt ended stays true: the answer is as of when it is delivered.
                known = _known_end(column.told[number]) if attempt.requests else NONE
                for answer in bits(column.told[number].sent | (known != NONE) << known):
                    label = f"answer {answer} of {name} to {number}"
                    yield label, self._answered(student, number, name, answer, clock, form)
            if self.rules.attempts_expire and clock >= attempt.expires:
                yield f"own: {number} expires", end_of(student, number, REFUSED, SAID_REFUSED)

    def _opened(self, student: Student, number: int, clock: int) -> Student:
        busy = any(other.state in (OPEN, ACCEPTED) for other in student.attempts)
        if busy and self.rules.one_submission_a_case:
            return end_of(student, number, REFUSED, SAID_REFUSED)
        expires = clock + 1
        attempt = student.attempts[number]
        return with_attempt(
            student, number, attempt._replace(state=OPEN, expires=expires, requests=attempt.requests | 1 << expires)
        )

    def _requested(self, student: Student, number: int, name: int, expires: int) -> Student:
        """As `Attestations.requested`."""
        column = student.columns[name]
        told = column.told[number]
        if _known_end(told) != NONE:
            return student
        if told.answer != NONE and self.rules.one_answer_an_attempt:
            hold = max(told.hold, expires) if told.hold else 0
            return with_told(student, name, number, sent=told.sent | 1 << HELD.get(hold, told.answer), hold=hold)
        answer = OBJECTED if column.owes else HELD[expires]
        hold = expires if answer != OBJECTED and self.rules.hold else 0
        return with_told(student, name, number, answer=answer, hold=hold, sent=told.sent | 1 << answer)

    def _ended(self, student: Student, number: int, name: int, outcome: int) -> Student:
        """As `Attestations.accepted` and `refused`."""
        told = student.columns[name].told[number]
        if told.end not in (UNKNOWN, outcome):
            return student
        student = with_told(student, name, number, end=outcome, hold=0, answer=NONE)
        if not self.rules.release_by_own_end:
            for other in range(len(student.attempts)):
                student = with_told(student, name, other, hold=0)
        return student

    def _answered(self, student: Student, number: int, name: int, answer: int, clock: int, form: int) -> Student:
        """As `Submissions.attestation_given`."""
        if answer == ENDED_ACCEPTED:
            return student
        if answer in (ENDED_REFUSED, LAPSED):
            return end_of(student, number, REFUSED, SAID_REFUSED)
        known = student.columns[name].told[number].counted
        if known in HELD.values() and answer == OBJECTED:
            return end_of(student, number, REFUSED, SAID_REFUSED)
        if known != NONE and not is_prolonged(known, answer):
            return student
        student = with_told(student, name, number, counted=answer)
        counted = tuple(column.told[number].counted for column in student.columns)
        outcome = decided(
            counted,
            expired=self.rules.expiry and clock >= student.attempts[number].expires,
            held=not self.rules.held_until or all(clock < held_until(one) for one in counted if one in HELD.values()),
            every_department=self.rules.every_department,
        )
        if outcome is None:
            return student
        if not outcome:
            return end_of(student, number, REFUSED, SAID_REFUSED)
        owes = any(column.owes for column in student.columns)
        return end_of(student, number, ACCEPTED, form)._replace(wrong=owes)


def _known_end(told: Told) -> int:
    return answer_about_an_end(told.end == ACCEPTED, told.end == REFUSED, told.answer == LAPSED)
