"""Which open pages are read next: those of whom something may be new at once, everybody else in shares with pauses."""

import pytest

from services.gateway.case.live import due_students
from services.gateway.case.live.due_students import MAX_INTERVAL_S, DueStudents
from services.kit.view_groups import group_of

MANY = [f"TS{number:08d}" for number in range(1_000)]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def due(clock: Clock) -> DueStudents:
    """All read once."""
    made = DueStudents(clock)
    for student_id in MANY:
        made.connected(student_id)
    assert made.take() == set(MANY), "a page that was just opened does not wait"
    return made


def test_of_a_named_change_only_students_of_its_group_are_read(due: DueStudents) -> None:
    assert due.take() == set()
    due.note(f"{group_of(MANY[7])},{group_of(MANY[8])}")
    assert due.wait_s() == 0
    taken = due.take()
    assert {MANY[7], MANY[8]} <= taken
    assert len(taken) < 10
    assert due.take() == set()


@pytest.mark.parametrize("notice", ["", "abc,", "ABC", "abcd", "abc;def", "something newer"])
def test_whatever_names_no_groups_may_concern_everybody_who_are_read_in_shares(due: DueStudents, notice: str) -> None:
    due.note(notice)
    assert len(due.take()) == due_students.SHARE


def test_after_a_share_there_is_a_pause_in_proportion_in_which_a_named_change_is_read(
    due: DueStudents, clock: Clock
) -> None:
    due.note("")
    read = due.take()
    due.took(0.1)
    assert due.wait_s() == pytest.approx(0.1)
    assert due.take() == set()
    due.note(group_of(MANY[0]))
    named = due.take()
    assert MANY[0] in named
    assert len(named) < 10
    due.took(5.0)
    clock.now += 0.4
    share = due.take()
    assert len(share) == due_students.SHARE
    assert not share & read


def test_everybody_has_a_turn_however_often_everybody_may_be_concerned(due: DueStudents) -> None:
    read: set[str] = set()
    for _ in range(len(MANY) // due_students.SHARE):
        due.note("")
        read |= due.take()
    assert read == set(MANY)


def test_without_a_notification_everybody_is_read_after_a_while(due: DueStudents, clock: Clock) -> None:
    assert due.wait_s() == MAX_INTERVAL_S
    clock.now += MAX_INTERVAL_S
    assert len(due.take()) == due_students.SHARE


def test_who_has_closed_the_last_page_is_not_read(due: DueStudents) -> None:
    due.connected(MANY[0])
    due.take()
    due.note("")
    for student_id in MANY:
        due.disconnected(student_id)
    assert due.take() == {MANY[0]}
    due.disconnected(MANY[0])
    due.note(group_of(MANY[0]))
    assert due.take() == set()
    assert list(due.students) == []


def test_after_a_read_that_failed_everybody_waits_for_a_moment_and_then_has_a_turn(
    due: DueStudents, clock: Clock
) -> None:
    due.note(group_of(MANY[0]))
    due.take()
    due.failed()
    due.took(0.001)
    assert due.wait_s() == pytest.approx(due_students.RETRY_S)
    assert due.take() == set()
    clock.now += due_students.RETRY_S
    read: set[str] = set()
    for _ in range(len(MANY) // due_students.SHARE):
        read |= due.take()
    assert read == set(MANY)


def test_a_change_under_a_former_number_concerns_the_student_as_long_as_it_is_theirs(due: DueStudents) -> None:
    former = next(
        number for number in (f"OLD{n}" for n in range(9_999)) if not {*map(group_of, MANY)} & {group_of(number)}
    )
    due.known_as(MANY[0], (former,))
    due.note(group_of(former))
    assert due.take() == {MANY[0]}
    due.note(group_of(MANY[0]))
    assert MANY[0] in due.take()
    due.known_as(MANY[0], ())
    due.note(group_of(former))
    assert due.take() == set()
    due.known_as(MANY[0], (former,))
    due.disconnected(MANY[0])
    due.known_as(MANY[0], (former,))
    due.note(group_of(former))
    assert due.take() == set()
