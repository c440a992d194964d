"""A batch of attempts at the clearance: each is opened, answered and decided as alone, by as few statements."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from aiokafka import ConsumerRecord

from schemas.codec import read
from schemas.events import (
    AttestationGiven,
    AttestationOutcome,
    Message,
    Reason,
    SubmissionAccepted,
    SubmissionRefused,
    SubmissionRequested,
    SubmitAsked,
    Verdict,
)
from tests.support.in_process.submission_harness import OWED, OWING, Harness, of


def asked(harness: Harness, students: Iterable[str]) -> dict[UUID, ConsumerRecord]:
    """The commands of these students, by attempt."""
    now = datetime.now(UTC)
    events = [SubmitAsked(command_id=uuid4(), student_id=student_id, asked_at=now) for student_id in students]
    return {event.command_id: harness.record(harness.topics.command, event) for event in events}


async def answered(harness: Harness, questions: Iterable[ConsumerRecord]) -> list[ConsumerRecord]:
    """Every department's answers, one department after another."""
    for department in harness.departments.values():
        await department.receive(list(questions))
    return [record for service in harness.departments.values() for record in await service.take_outbox()]


async def opened(harness: Harness, students: Iterable[str]) -> tuple[list[UUID], list[ConsumerRecord]]:
    """Attempts opened by one batch, and every department's answers to them."""
    commands = asked(harness, students)
    await harness.clearance.receive(list(commands.values()))
    return list(commands), await answered(harness, await harness.clearance.take_outbox())


async def said(harness: Harness) -> list[Message]:
    return [read(record.value) for record in await harness.clearance.take_outbox()]


def without_traces(rows: Iterable[Any]) -> set[tuple[str, str, str]]:
    return {(row["student_id"], row["act"], row["outcome"]) for row in rows}


async def entries(harness: Harness, students: Iterable[str]) -> set[tuple[str, str, str]]:
    query = "SELECT student_id, act, outcome FROM audit.entry WHERE student_id = ANY($1) AND act LIKE 'submission.%'"
    return without_traces(await harness.clearance.pool.fetch(query, list(students)))


async def test_each_attempt_of_a_set_ends_as_its_own_departments_answered(harness: Harness) -> None:
    clear, owing, owed = (
        await harness.student(),
        await harness.student(library=OWING),
        await harness.student(finance=OWED),
    )
    attempts, answers = await opened(harness, (clear, owing, owed))
    await harness.clearance.receive(answers)
    assert [await harness.state(one) for one in attempts] == [
        ("accepted", ""),
        ("refused", "objected"),
        ("refused", "objected"),
    ]
    ends = await said(harness)
    assert [one.student_id for one in of(ends, SubmissionAccepted)] == [clear]
    assert {one.student_id: set(one.objections) for one in of(ends, SubmissionRefused)} == {
        owing: {"library"},
        owed: {"finance"},
    }
    assert await entries(harness, (clear, owing, owed)) == {
        (clear, "submission.ask", "opened"),
        (clear, "submission.accept", "accepted"),
        (owing, "submission.ask", "opened"),
        (owing, "submission.refuse", "refused"),
        (owed, "submission.ask", "opened"),
        (owed, "submission.refuse", "refused"),
    }


async def test_of_a_set_of_commands_each_is_opened_recalled_or_refused_by_its_own_case(harness: Harness) -> None:
    new, waiting, done, busy = [await harness.student() for _ in range(4)]
    stranger = f"TSX{uuid4().hex[:8].upper()}"
    first = await harness.submitted(done)
    open_one, known = await harness.submit(busy), asked(harness, [waiting])
    await harness.clearance.receive(list(known.values()))
    await harness.clearance.take_outbox()
    again = asked(harness, (new, done, busy, stranger))
    await harness.clearance.receive([*again.values(), *known.values()])
    causes = [await harness.state(one) for one in again]
    assert causes == [
        ("open", ""),
        ("refused", "already-submitted"),
        ("refused", "another-attempt-open"),
        ("refused", "case-not-open"),
    ]
    events = await said(harness)
    assert {one.attempt_id for one in of(events, SubmissionRequested)} == {next(iter(again)), *known}
    assert [one.attempt_id for one in of(events, SubmissionAccepted)] == [first]
    assert {one.attempt_id for one in of(events, SubmissionRefused)} == set(list(again)[1:])
    assert await harness.state(open_one) == ("open", "")


async def test_of_two_students_who_claim_one_command_the_second_is_a_dead_letter(harness: Harness) -> None:
    one, other, third = [await harness.student() for _ in range(3)]
    command, now = uuid4(), datetime.now(UTC)
    harness.clearance.dead_letters.clear()
    records = [
        harness.record(harness.topics.command, SubmitAsked(command_id=each, student_id=student_id, asked_at=now))
        for each, student_id in ((command, one), (command, other), (uuid4(), third))
    ]
    await harness.clearance.receive(records)
    assert harness.clearance.dead_letters == ["command_id: it is another student's attempt"]
    assert {event.student_id for event in of(await said(harness), SubmissionRequested)} == {one, third}


async def test_a_forged_answer_in_the_middle_of_a_set_is_a_dead_letter_alone(harness: Harness) -> None:
    one, other = await harness.student(), await harness.student()
    attempts, answers = await opened(harness, (one, other))
    library = next(record for record in answers if record.topic == harness.topics.attestation("library"))
    forged = read(library.value)
    assert isinstance(forged, AttestationGiven)
    second = forged.model_copy(update={"version": forged.version + 1})
    harness.clearance.dead_letters.clear()
    await harness.clearance.receive([*answers[:3], harness.record(library.topic, second), *answers[3:]])
    assert harness.clearance.dead_letters == ["attempt_id: the department gave this attempt another answer before"]
    assert [await harness.state(attempt) for attempt in attempts] == [("accepted", "")] * 2


async def test_an_answer_that_is_revoked_in_the_same_set_counts_no_more(harness: Harness) -> None:
    student_id = await harness.student()
    (attempt,), answers = await opened(harness, [student_id])
    clear = read(answers[0].value)
    assert isinstance(clear, AttestationGiven)
    blocked = clear.checks[0].model_copy(
        update={"verdict": Verdict.BLOCKED, "reasons": (Reason(code="books-not-returned"),), "facts": {}}
    )
    objected = clear.model_copy(
        update={
            "outcome": AttestationOutcome.OBJECTED,
            "checks": (blocked, *clear.checks[1:]),
            "held_until": None,
        }
    )
    await harness.clearance.receive([answers[0], harness.record(answers[0].topic, objected), *answers[1:]])
    assert await harness.state(attempt) == ("refused", "objected")
    assert await harness.submission(student_id) is None


async def test_a_set_of_ten_takes_as_many_statements_as_one_of_two(harness: Harness, statements: Counter[str]) -> None:
    counts = []
    for size in (2, 10):
        students = [await harness.student() for _ in range(size)]
        commands = list(asked(harness, students).values())
        statements.clear()
        await harness.clearance.receive(commands)
        counts.append(statements.total())
        answers = await answered(harness, await harness.clearance.take_outbox())
        statements.clear()
        await harness.clearance.receive(answers)
        counts.append(statements.total())
        assert len(of(await said(harness), SubmissionAccepted)) == size
    assert counts[:2] == counts[2:]
