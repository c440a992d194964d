"""Cancelling the card: one effect and one answer for a command's id, refused with the reason, never stuck."""

import asyncio
from datetime import date
from uuid import UUID, uuid4

from schemas.codec import read
from schemas.events import CaseChanged, CaseState, CommandAnswered, CommandOutcome, Message, StatusChanged
from services.library.rules import Card, Loan
from tests.component.clearance.submission.round.test_attestation import requested
from tests.support.in_process.submission_harness import CARD_ACTIVE, Harness

LENT = CARD_ACTIVE.model_copy(update={"loans": (Loan(barcode="B1", title="矿山压力", due_on=date(2026, 6, 20)),)})


async def cancel(harness: Harness, student_id: str, command_id: UUID, command: str = "cancel-card") -> list[Message]:
    """What the library says to the command."""
    await harness.command(student_id, command, command_id)
    return [read(record.value) for record in await harness.departments["library"].take_outbox()]


def answer_in(said: list[Message]) -> CommandAnswered:
    (answer,) = (event for event in said if isinstance(event, CommandAnswered))
    return answer


async def test_a_cancel_is_done_and_the_next_status_says_so(harness: Harness) -> None:
    student_id, command_id = await harness.student(library=CARD_ACTIVE), uuid4()
    said = await cancel(harness, student_id, command_id)
    (status,) = (event for event in said if isinstance(event, StatusChanged))
    answer = answer_in(said)
    assert status.checks[0].facts["card"] == "cancelled"
    assert (answer.command_id, answer.outcome, answer.reasons) == (command_id, CommandOutcome.DONE, ())


async def test_the_same_command_again_has_one_effect_and_the_very_same_answer(harness: Harness) -> None:
    student_id, command_id = await harness.student(library=CARD_ACTIVE), uuid4()
    first = answer_in(await cancel(harness, student_id, command_id))
    await harness.set("library", student_id, CARD_ACTIVE)
    await harness.deliver_all()
    again = await cancel(harness, student_id, command_id)
    assert again == [first]
    assert (await harness.desks["library"].read(student_id)).record.card is Card.ACTIVE


async def test_a_cancel_the_rules_refuse_says_why_and_changes_nothing(harness: Harness) -> None:
    student_id, command_id = await harness.student(library=LENT), uuid4()
    (answer,) = await cancel(harness, student_id, command_id)
    assert isinstance(answer, CommandAnswered)
    assert (answer.outcome, answer.reasons[0].code) == (CommandOutcome.REFUSED, "card-still-needed")
    assert answer.reasons[0].parameters["count"] == 1
    assert (await harness.desks["library"].read(student_id)).record == LENT
    await harness.set("library", student_id, CARD_ACTIVE)
    await harness.deliver_all()
    assert await cancel(harness, student_id, command_id) == [answer]


async def test_a_cancel_of_a_cancelled_card_is_done_and_makes_no_status(harness: Harness) -> None:
    student_id = await harness.student()
    (answer,) = await cancel(harness, student_id, uuid4())
    assert isinstance(answer, CommandAnswered)
    assert answer.outcome is CommandOutcome.DONE


async def test_an_unknown_command_is_refused(harness: Harness) -> None:
    answer = answer_in(await cancel(harness, await harness.student(library=CARD_ACTIVE), uuid4(), "burn-books"))
    assert [reason.code for reason in answer.reasons] == ["command-unknown"]


async def test_only_the_department_that_was_asked_answers(harness: Harness) -> None:
    student_id = await harness.student(library=CARD_ACTIVE)
    await harness.command(student_id, "cancel-card", uuid4(), department="dorm")
    said = {name: await service.take_outbox() for name, service in harness.departments.items()}
    assert said["library"] == []
    (record,) = said["dorm"]
    answer = read(record.value)
    assert isinstance(answer, CommandAnswered)
    assert answer.outcome is CommandOutcome.REFUSED


async def test_a_cancel_while_held_leaves_the_pass_and_goes_through(harness: Harness) -> None:
    student_id = await harness.student()
    library = harness.departments["library"]
    await library.receive([harness.record(harness.topics.submission, requested(student_id, uuid4()))])
    await library.take_outbox()
    answer = answer_in(await cancel(harness, student_id, uuid4()))
    assert answer.outcome is CommandOutcome.DONE


async def test_a_student_taken_off_the_roster_keeps_the_card(harness: Harness) -> None:
    student_id = await harness.student(library=CARD_ACTIVE)
    version = await harness.departments["library"].pool.fetchval(
        "SELECT case_version FROM record WHERE student_id = $1", student_id
    )
    closed = CaseChanged(
        student_id=student_id, version=version + 1, state=CaseState.CLOSED, occurred_at="2026-06-10T08:00:00Z"
    )
    await harness.departments["library"].receive([harness.record(harness.topics.case, closed)])
    answer = answer_in(await cancel(harness, student_id, uuid4()))
    assert [reason.code for reason in answer.reasons] == ["case-not-open"]
    assert (await harness.desks["library"].read(student_id)).record.card is Card.ACTIVE


async def test_a_command_id_used_for_something_else_is_parked(harness: Harness) -> None:
    one, other = [await harness.student(library=CARD_ACTIVE) for _ in range(2)]
    command_id = uuid4()
    await cancel(harness, one, command_id)
    library = harness.departments["library"]
    before = len(library.dead_letters)
    assert await cancel(harness, other, command_id) == []
    assert await cancel(harness, one, command_id, "burn-books") == []
    assert library.dead_letters[before:] == ["command_id: it was used for another command"] * 2


async def test_one_command_heard_by_two_at_once_has_one_effect(harness: Harness) -> None:
    for _ in range(5):
        student_id, command_id = await harness.student(library=CARD_ACTIVE), uuid4()
        await asyncio.gather(*(harness.command(student_id, "cancel-card", command_id) for _ in range(4)))
        said = [read(record.value) for record in await harness.departments["library"].take_outbox()]
        assert len([event for event in said if isinstance(event, StatusChanged)]) == 1
        assert len({event.model_dump_json() for event in said if isinstance(event, CommandAnswered)}) == 1
        acts = await harness.departments["library"].pool.fetchval(
            "SELECT count(*) FROM audit.entry WHERE student_id = $1 AND act = 'command.cancel-card'", student_id
        )
        assert acts == 1
