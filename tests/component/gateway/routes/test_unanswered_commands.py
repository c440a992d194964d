"""A command whose event or answer was lost: sent again under its id, given up in time, and ended by what arrives."""

from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from schemas.codec import encode
from schemas.events import (
    CommandAnswered,
    CommandAsked,
    CommandOutcome,
    Message,
    SubmissionAccepted,
    SubmissionRefused,
    SubmitAsked,
)
from schemas.topics import Topics
from services.gateway.tables.command_resends import CommandResends
from services.gateway.tables.subscriptions import gateway_router
from services.kit.manifests import discover
from services.kit.messaging.outbox import Wakeup
from services.kit.signing.session_proofs import check_proof
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, RunningGateway
from tests.support.gateway.visits import card_open, clear_and_signed_in, commands, id_of, posted, rows
from tests.support.in_process.services import record_of
from tests.support.samples.case_samples import NOW

LIFE_S = 900.0


async def turn(gateway: RunningGateway) -> None:
    async with asyncpg.create_pool(gateway.database, min_size=1, max_size=1) as pool:
        await CommandResends(pool, Topics("test"), Wakeup(), after_s=30.0, life_s=LIFE_S).turn()


async def later(gateway: RunningGateway, person: Person, by: timedelta) -> None:
    """The student's commands are older by so much."""
    await rows(
        gateway.database,
        "UPDATE command SET asked_at = asked_at - $2::interval, next_send_at = next_send_at - $2::interval"
        " WHERE student_id = $1",
        id_of(person),
        by,
    )


async def lose_events(gateway: RunningGateway, person: Person) -> list[Message]:
    """What the outbox has of the student, which is gone then."""
    lost = await posted(gateway, person)
    await rows(gateway.database, "DELETE FROM outbox WHERE key = $1", id_of(person).encode())
    return lost


async def submit(browser: BrowserClient) -> UUID:
    answer = await browser.post("/api/v1/submission", headers={"X-CSRF-Token": await browser.csrf()})
    assert answer.status_code == 202, answer.text
    return UUID(answer.json()["command_id"])


async def hear(gateway: RunningGateway, *events: CommandAnswered | SubmissionAccepted | SubmissionRefused) -> None:
    """In one batch."""
    topics = Topics("test")
    records = [
        record_of(
            topics.answer(event.department) if isinstance(event, CommandAnswered) else topics.submission,
            event.student_id.encode(),
            encode(event, event_id=uuid4(), source="/test", time=NOW),
        )
        for event in events
    ]
    connection = await asyncpg.connect(gateway.database)
    try:
        async with connection.transaction():
            assert await gateway_router(topics, discover()).subscription.apply(connection, records) == []
    finally:
        await connection.close()


async def states(gateway: RunningGateway, person: Person) -> dict[UUID, tuple[str, str]]:
    return {row["command_id"]: (row["state"], row["cause"]) for row in await commands(gateway, person)}


async def test_a_submission_whose_event_was_lost_is_sent_again_under_its_id_and_less_and_less_often(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clear_and_signed_in(browser, clearance, person)
    command_id = await submit(browser)
    (first,) = await lose_events(gateway, person)
    await turn(gateway)
    assert await posted(gateway, person) == []
    for wait_s, sent in ((31, 1), (31, 0), (31, 1), (61, 0), (61, 1)):
        await later(gateway, person, timedelta(seconds=wait_s))
        await turn(gateway)
        again = await lose_events(gateway, person)
        assert len(again) == sent
        for event in again:
            assert isinstance(event, SubmitAsked)
            assert (event.command_id, event.student_id) == (command_id, id_of(person))
            check_proof(event, required=True)
    assert isinstance(first, SubmitAsked)


async def test_a_departments_command_is_sent_again_and_an_answered_one_is_not(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await card_open(clearance, person)
    await browser.sign_in(person)
    await browser.post("/case/library/cancel-card", {"csrf": await browser.csrf()})
    (asked,) = await lose_events(gateway, person)
    assert isinstance(asked, CommandAsked)
    await later(gateway, person, timedelta(seconds=31))
    await turn(gateway)
    (again,) = await lose_events(gateway, person)
    assert isinstance(again, CommandAsked)
    assert (again.command_id, again.command, again.department) == (asked.command_id, "cancel-card", "library")
    assert again.session == asked.session
    check_proof(again, required=True)
    answer = CommandAnswered(
        command_id=asked.command_id,
        student_id=id_of(person),
        department="library",
        outcome=CommandOutcome.DONE,
        answered_at=NOW,
    )
    await hear(gateway, answer)
    await later(gateway, person, timedelta(hours=1))
    await turn(gateway)
    assert await posted(gateway, person) == []
    assert await states(gateway, person) == {asked.command_id: ("done", "")}


async def test_without_any_answer_it_is_given_up_and_the_student_may_ask_again(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clear_and_signed_in(browser, clearance, person)
    first = await submit(browser)
    await later(gateway, person, timedelta(seconds=LIFE_S - 5))
    await turn(gateway)
    assert await states(gateway, person) == {first: ("asked", "")}
    await later(gateway, person, timedelta(seconds=6))
    await turn(gateway)
    assert await states(gateway, person) == {first: ("refused", "unanswered")}
    assert "未收到答复，结果未知" in (await browser.get("/case")).text
    second = await submit(browser)
    assert second != first
    assert (await states(gateway, person))[second] == ("asked", "")


async def test_in_one_batch_each_command_ends_as_it_would_alone(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clear_and_signed_in(browser, clearance, person)
    given_up = await submit(browser)
    await later(gateway, person, timedelta(seconds=LIFE_S + 1))
    await turn(gateway)
    asked, other = uuid4(), new_student_id()
    await rows(
        gateway.database,
        "INSERT INTO command (command_id, student_id, department, name, asked_at)"
        " VALUES ($1, $2, '', 'submit', clock_timestamp())",
        asked,
        other,
    )

    def accepted(attempt_id: UUID, student_id: str) -> SubmissionAccepted:
        return SubmissionAccepted(attempt_id=attempt_id, student_id=student_id, form_number="LX-1", accepted_at=NOW)

    await hear(gateway, accepted(asked, other), accepted(given_up, id_of(person)), accepted(asked, new_student_id()))
    assert await states(gateway, person) == {given_up: ("done", "")}
    ((state, student_id),) = await rows(
        gateway.database, "SELECT state, student_id FROM command WHERE command_id = $1", asked
    )
    assert (state, student_id) == ("done", other)


async def test_the_acceptance_of_one_given_up_counts_also_when_another_was_asked_since(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clear_and_signed_in(browser, clearance, person)
    first = await submit(browser)
    await later(gateway, person, timedelta(seconds=LIFE_S + 1))
    await turn(gateway)
    second = await submit(browser)
    accepted = SubmissionAccepted(attempt_id=first, student_id=id_of(person), form_number="LX-1", accepted_at=NOW)
    await hear(gateway, accepted)
    assert await states(gateway, person) == {first: ("done", ""), second: ("refused", "unanswered")}
    refused = SubmissionRefused(attempt_id=second, student_id=id_of(person), cause="already-submitted", refused_at=NOW)
    await hear(gateway, refused)
    await hear(gateway, accepted)
    assert await states(gateway, person) == {first: ("done", ""), second: ("refused", "already-submitted")}


async def test_a_card_whose_cancelling_was_given_up_is_offered_again_with_the_reason(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await card_open(clearance, person)
    await browser.sign_in(person)
    await browser.post("/case/library/cancel-card", {"csrf": await browser.csrf()})
    await later(gateway, person, timedelta(seconds=LIFE_S + 1))
    await turn(gateway)
    page = (await browser.get("/case")).text
    assert "未收到图书馆对" in page
    assert 'href="/case/library/cancel-card"' in page
