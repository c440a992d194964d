"""A department in the confirmation round: it answers on its own newest record, holds what it attested, lets go once."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from schemas.codec import read
from schemas.events import (
    AttestationGiven,
    AttestationOutcome,
    EndOutcome,
    KnownEnd,
    Message,
    StatusChanged,
    SubmissionAccepted,
    SubmissionRefused,
    SubmissionRequested,
)
from services.kit.operations import Held
from services.kit.rules.reasons import RECORD_REPLACED
from services.library.rules import Thesis, Violation
from tests.support.departments.desks import is_waiting
from tests.support.in_process.services import DEPARTMENTS
from tests.support.in_process.submission_harness import CLEAR_LIBRARY, OWING, Harness
from tests.support.waiting import eventually

NOW = datetime.now(UTC)
SETTLED = Violation(violation_id="V1", text="涂写", settled=True)
NO_THESIS = CLEAR_LIBRARY.model_copy(update={"thesis": Thesis.NOT_SUBMITTED})
STILL_CLEAR = CLEAR_LIBRARY.model_copy(update={"violations": (SETTLED,)})


def requested(
    student_id: str, attempt_id: UUID, required: tuple[str, ...] = DEPARTMENTS, **waived: tuple[str, ...]
) -> SubmissionRequested:
    return SubmissionRequested(
        waived=waived,
        attempt_id=attempt_id,
        student_id=student_id,
        required=required,
        opened_at=NOW,
        expires_at=NOW + timedelta(minutes=10),
    )


def refused(student_id: str, attempt_id: UUID) -> SubmissionRefused:
    return SubmissionRefused(attempt_id=attempt_id, student_id=student_id, cause="expired", refused_at=NOW)


def accepted(student_id: str, attempt_id: UUID) -> SubmissionAccepted:
    return SubmissionAccepted(attempt_id=attempt_id, student_id=student_id, form_number="X", accepted_at=NOW)


async def library_hears(harness: Harness, *events: Message) -> list[Message]:
    """What the library says to these events, in order."""
    library = harness.departments["library"]
    await library.receive([harness.record(harness.topics.submission, event) for event in events])
    return [read(record.value) for record in await library.take_outbox()]


async def test_a_clear_record_is_attested_and_held(harness: Harness) -> None:
    student_id, attempt_id = await harness.student(), uuid4()
    (answer,) = await library_hears(harness, requested(student_id, attempt_id))
    assert isinstance(answer, AttestationGiven)
    assert (answer.outcome, answer.attempt_id) == (AttestationOutcome.CLEAR, attempt_id)
    assert answer.checks == harness.desks["library"].rules.assess(CLEAR_LIBRARY).checks
    assert await harness.holds(student_id) == {"library": [attempt_id]}


async def test_a_blocked_record_is_objected_and_not_held(harness: Harness) -> None:
    student_id, attempt_id = await harness.student(library=OWING), uuid4()
    (answer,) = await library_hears(harness, requested(student_id, attempt_id))
    assert isinstance(answer, AttestationGiven)
    assert answer.outcome is AttestationOutcome.OBJECTED
    assert [reason.code for check in answer.checks for reason in check.reasons] == ["books-not-returned"]
    assert await harness.holds(student_id) == {}


async def test_a_request_waits_for_a_change_under_way_and_is_answered_by_it(harness: Harness) -> None:
    """For several students too, whose records are locked together."""
    owing, clear = await harness.student(), await harness.student()
    desk, attempts = harness.desks["library"], {one: uuid4() for one in (owing, clear)}
    async with desk.pool.acquire() as changing, changing.transaction():
        await desk.change_in(changing, owing, lambda _: (OWING, RECORD_REPLACED()), now=datetime.now(UTC))
        asking = asyncio.create_task(library_hears(harness, *(requested(one, attempts[one]) for one in attempts)))
        await eventually(lambda: is_waiting(desk.pool), what="a request that waits for the change")
    answers = {one.student_id: one.outcome for one in await asking if isinstance(one, AttestationGiven)}
    assert answers == {owing: AttestationOutcome.OBJECTED, clear: AttestationOutcome.CLEAR}
    assert await harness.holds(owing) == {}


async def test_a_waived_check_is_reported_and_counts_for_nothing(harness: Harness) -> None:
    student_id, attempt_id = await harness.student(library=NO_THESIS), uuid4()
    (answer,) = await library_hears(harness, requested(student_id, attempt_id, library=("thesis",)))
    assert isinstance(answer, AttestationGiven)
    assert answer.outcome is AttestationOutcome.CLEAR
    assert [check.check for check in answer.checks if check.reasons] == ["thesis"]
    assert await harness.holds(student_id) == {"library": [attempt_id]}


async def test_another_departments_waiver_waives_nothing_here(harness: Harness) -> None:
    student_id = await harness.student(library=NO_THESIS)
    (answer,) = await library_hears(harness, requested(student_id, uuid4(), archives=("thesis",)))
    assert isinstance(answer, AttestationGiven)
    assert answer.outcome is AttestationOutcome.OBJECTED


async def test_a_hold_keeps_every_check_but_the_waived(harness: Harness) -> None:
    student_id, attempt_id = await harness.student(), uuid4()
    await library_hears(harness, requested(student_id, attempt_id, library=("thesis",)))
    with pytest.raises(Held):
        await harness.set("library", student_id, OWING)
    with pytest.raises(Held):
        await harness.set("library", student_id, OWING.model_copy(update={"thesis": Thesis.NOT_SUBMITTED}))
    await harness.set("library", student_id, NO_THESIS)
    await library_hears(harness, refused(student_id, attempt_id))
    await harness.set("library", student_id, OWING)


async def test_the_answer_rests_on_the_newest_status_of_the_department(harness: Harness) -> None:
    student_id = await harness.student()
    await harness.set("library", student_id, OWING)
    await harness.set("library", student_id, CLEAR_LIBRARY)
    statuses = [event for event in await harness.deliver_all() if isinstance(event, StatusChanged)]
    (answer,) = await library_hears(harness, requested(student_id, uuid4()))
    assert isinstance(answer, AttestationGiven)
    assert answer.version == statuses[-1].version


async def test_a_question_before_the_case_was_heard_of_is_answered_with_a_first_status(
    harness: Harness,
) -> None:
    student_id = f"TSX{uuid4().hex[:8].upper()}"
    await harness.set("library", student_id, CLEAR_LIBRARY)
    status, answer = await library_hears(harness, requested(student_id, uuid4()))
    assert isinstance(status, StatusChanged)
    assert isinstance(answer, AttestationGiven)
    assert (status.version, answer.version, answer.checks) == (1, 1, status.checks)


async def test_nothing_on_record_is_objected_and_said(harness: Harness) -> None:
    status, answer = await library_hears(harness, requested(f"TSN{uuid4().hex[:8].upper()}", uuid4()))
    assert isinstance(status, StatusChanged)
    assert isinstance(answer, AttestationGiven)
    assert answer.outcome is AttestationOutcome.OBJECTED


async def test_the_same_attempt_again_gets_the_very_same_answer_whatever_changed(harness: Harness) -> None:
    student_id, attempt_id = await harness.student(library=OWING), uuid4()
    (first,) = await library_hears(harness, requested(student_id, attempt_id))
    await harness.set("library", student_id, CLEAR_LIBRARY)
    await harness.deliver_all()
    (again,) = await library_hears(harness, requested(student_id, attempt_id))
    assert again == first
    assert await harness.holds(student_id) == {}


async def test_an_attempt_that_does_not_ask_the_department_is_not_answered(harness: Harness) -> None:
    student_id = await harness.student()
    assert await library_hears(harness, requested(student_id, uuid4(), ("dorm", "finance"))) == []
    assert await harness.holds(student_id) == {}


async def test_while_held_a_change_that_takes_the_pass_away_waits_and_others_go_through(
    harness: Harness,
) -> None:
    student_id, attempt_id = await harness.student(), uuid4()
    await library_hears(harness, requested(student_id, attempt_id))
    with pytest.raises(Held):
        await harness.set("library", student_id, OWING)
    assert (await harness.set("library", student_id, STILL_CLEAR)).applied
    await library_hears(harness, refused(student_id, attempt_id))
    assert (await harness.set("library", student_id, OWING)).applied


@pytest.mark.parametrize("end", [accepted, refused])
async def test_the_end_of_an_attempt_lets_go_of_its_hold_however_often_it_is_heard(
    harness: Harness, end: object
) -> None:
    student_id, attempt_id = await harness.student(), uuid4()
    await library_hears(harness, requested(student_id, attempt_id))
    event = accepted(student_id, attempt_id) if end is accepted else refused(student_id, attempt_id)
    await library_hears(harness, event, event)
    assert await harness.holds(student_id) == {}


async def test_a_hold_is_let_go_only_by_the_end_of_its_own_attempt(harness: Harness) -> None:
    student_id, attempt_id, other = await harness.student(), uuid4(), await harness.student()
    await library_hears(harness, requested(student_id, attempt_id))
    await library_hears(harness, refused(student_id, uuid4()), refused(other, uuid4()))
    assert await harness.holds(student_id) == {"library": [attempt_id]}


async def test_another_students_end_does_not_let_go_even_under_the_same_attempt(harness: Harness) -> None:
    student_id, attempt_id, other = await harness.student(), uuid4(), await harness.student()
    await library_hears(harness, requested(student_id, attempt_id))
    await library_hears(harness, refused(other, attempt_id))
    assert await harness.holds(student_id) == {"library": [attempt_id]}


async def test_a_question_behind_its_attempts_end_places_no_hold_and_is_answered_with_the_end(
    harness: Harness,
) -> None:
    student_id, attempt_id = await harness.student(), uuid4()
    (answer,) = await library_hears(harness, refused(student_id, attempt_id), requested(student_id, attempt_id))
    assert isinstance(answer, AttestationGiven)
    assert answer.ended == KnownEnd(outcome=EndOutcome.REFUSED, cause="expired")
    assert answer.outcome is AttestationOutcome.OBJECTED
    assert await harness.holds(student_id) == {}


async def test_an_attempt_that_was_attested_and_accepted_is_answered_with_its_end(harness: Harness) -> None:
    student_id, attempt_id = await harness.student(), uuid4()
    question = requested(student_id, attempt_id)
    first, again = await library_hears(harness, question, accepted(student_id, attempt_id), question)
    assert isinstance(first, AttestationGiven)
    assert isinstance(again, AttestationGiven)
    assert (first.ended, again.ended) == (None, KnownEnd(outcome=EndOutcome.ACCEPTED))
    assert again.version == first.version


async def test_an_attempt_that_ended_two_ways_is_parked_and_stays_as_it_ended(harness: Harness) -> None:
    student_id, attempt_id = await harness.student(), uuid4()
    library = harness.departments["library"]
    before = len(library.dead_letters)
    await library_hears(harness, accepted(student_id, attempt_id), refused(student_id, attempt_id))
    assert library.dead_letters[before:] == ["attempt_id: the attempt has ended with another outcome"]


async def test_question_end_and_debt_racing_leave_no_hold_and_no_wrong_answer(harness: Harness) -> None:
    library = harness.departments["library"]
    for _ in range(15):
        student_id, attempt_id = await harness.student(), uuid4()
        question = harness.record(harness.topics.submission, requested(student_id, attempt_id))
        end = harness.record(harness.topics.submission, refused(student_id, attempt_id))

        async def owe(student_id: str = student_id) -> bool:
            try:
                return (await harness.set("library", student_id, OWING)).applied
            except Held:
                return False

        asked = (library.receive([question]), library.receive([question]))
        await asyncio.gather(*asked, library.receive([end]), owe())
        assert await harness.holds(student_id) == {}
        said = [
            event
            for event in await harness.deliver_all()
            if isinstance(event, AttestationGiven) and event.ended is None
        ]
        assert len({event.model_dump_json() for event in said}) <= 1


async def test_holds_objections_and_releases_are_in_the_audit(harness: Harness) -> None:
    student_id, attempt_id = await harness.student(), uuid4()
    await library_hears(harness, requested(student_id, attempt_id), refused(student_id, attempt_id))
    rows = await harness.departments["library"].pool.fetch(
        "SELECT act, outcome FROM audit.entry WHERE student_id = $1 AND act LIKE 'attempt.%' ORDER BY entry_id",
        student_id,
    )
    assert [tuple(row) for row in rows] == [("attempt.attest", "held"), ("attempt.release", "refused")]
