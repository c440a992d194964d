"""A person with two numbers: what departments say under the former one counts for the current one, whatever races."""

import asyncio
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

import pytest

from schemas.codec import read
from schemas.events import CaseChanged, CaseState, SubmissionRequested
from services.clearance.roster.case_store import former_numbers
from services.clearance.roster.roster import MAX_FORMER_NUMBERS, JoinRefused
from services.clearance.submission.attempts import former_parts
from services.kit.operations import Held
from services.kit.postgres.pool import Connection
from services.kit.receipts.jws import public_keys
from services.kit.receipts.qr import verify_text
from tests.support.in_process.after_acceptance import forms, hand_over, open_exceptions, put, withdraw
from tests.support.in_process.services import CLEAR
from tests.support.in_process.submission_harness import OWED, Harness, of


async def join(harness: Harness, student_id: str, former: str) -> str:
    async with harness.clearance.pool.acquire() as connection, connection.transaction():
        return (await harness.roster.join(connection, student_id, former, now=datetime.now(UTC))).outcome


async def unjoin(harness: Harness, student_id: str, former: str) -> None:
    async with harness.clearance.pool.acquire() as connection, connection.transaction():
        await harness.roster.unjoin(connection, student_id, former, now=datetime.now(UTC))


async def two_numbers(harness: Harness) -> tuple[str, str]:
    """A student clear under both numbers; the former one was withdrawn from the roster, and is joined."""
    former, current = await harness.student(), await harness.student()
    await withdraw(harness, former)
    await harness.deliver_all()
    assert await join(harness, current, former) == "applied"
    await harness.deliver_all()
    return current, former


async def test_departments_speak_of_a_former_number_as_of_an_open_case(harness: Harness) -> None:
    former, current = await harness.student(), await harness.student()
    await withdraw(harness, former)
    await harness.deliver_all()
    await join(harness, current, former)
    [event] = of(await harness.deliver_all(), CaseChanged)
    assert (event.student_id, event.state) == (former, CaseState.OPEN)
    state = "SELECT state FROM published.case_v1 WHERE student_id = $1"
    assert await harness.clearance.pool.fetchval(state, former) == "closed"
    assert await join(harness, current, former) == "unchanged"
    await unjoin(harness, current, former)
    [event] = of(await harness.deliver_all(), CaseChanged)
    assert (event.student_id, event.state) == (former, CaseState.CLOSED)


async def test_a_number_the_roster_never_had_is_joined_too(harness: Harness) -> None:
    current = await harness.student()
    former = f"{current}OLD"
    await harness.set("finance", former, OWED)
    await join(harness, current, former)
    await harness.deliver_all()
    attempt_id = await harness.submitted(current)
    assert await harness.state(attempt_id) == ("refused", "objected")


async def test_a_debt_under_the_former_number_keeps_the_submission_from_being_accepted(harness: Harness) -> None:
    current, former = await two_numbers(harness)
    await harness.set("finance", former, OWED)
    await harness.deliver_all()
    attempt_id = await harness.submitted(current)
    assert await harness.state(attempt_id) == ("refused", "objected")
    row = await harness.attempt(attempt_id)
    assert "finance" in json.loads(row["objections"])
    assert await harness.holds(current) == {}
    assert await harness.holds(former) == {}
    await harness.set("finance", former, {})
    attempt_id = await harness.submitted(current)
    assert await harness.state(attempt_id) == ("accepted", "")


async def test_both_numbers_are_attested_held_released_and_on_the_form(harness: Harness) -> None:
    current, former = await two_numbers(harness)
    attempt_id = await harness.submit(current)
    for record in await harness.clearance.take_outbox():
        for service in harness.departments.values():
            await service.receive([record])
    with pytest.raises(Held):
        await harness.set("finance", former, OWED)
    await harness.deliver_all()
    assert await harness.state(attempt_id) == ("accepted", "")
    assert await harness.holds(former) == {}
    [form] = await forms(harness, current)
    keys = public_keys(
        [json.loads(row[0]) for row in await harness.clearance.pool.fetch("SELECT public_jwk::json FROM signing_key")]
    )
    payload = verify_text(form["receipt"], keys).payload
    assert payload["former"].keys() == {former}
    assert payload["former"][former].keys() == harness.departments.keys()
    attempts = await harness.clearance.pool.fetch("SELECT * FROM published.attempt_v1 WHERE student_id = $1", former)
    assert attempts == []


async def test_a_part_that_is_opened_while_its_answer_waits_for_the_lock_ends_with_its_attempt(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    current, former = await two_numbers(harness)
    attempt_id = await harness.submit(current)
    part_id, owners, asked = former_parts.part_id(attempt_id, former), former_parts.owners, 0

    async def not_there_yet(connection: Connection, attempt_ids: Iterable[UUID]) -> dict[UUID, tuple[UUID, str]]:
        nonlocal asked
        found = await owners(connection, attempt_ids)
        if part_id in found:
            asked += 1
            return {} if asked == 1 else found
        return found

    monkeypatch.setattr(former_parts, "owners", not_there_yet)
    await harness.deliver_all()
    assert asked > 1
    assert await harness.state(attempt_id) == ("accepted", "")
    state = "SELECT state FROM attempt WHERE attempt_id = $1"
    assert await harness.clearance.pool.fetchval(state, part_id) == "accepted"


async def test_each_request_brings_the_cohort_of_its_number(harness: Harness) -> None:
    former, current = await harness.student(cohort="2025"), await harness.student(cohort="2026")
    await join(harness, current, former)
    await harness.deliver_all()
    await harness.submit(current)
    requests = of([read(record.value) for record in await harness.clearance.take_outbox()], SubmissionRequested)
    assert {request.student_id: request.cohort for request in requests} == {current: "2026", former: "2025"}


async def test_nothing_is_submitted_under_a_former_number(harness: Harness) -> None:
    current, former = await two_numbers(harness)
    await put(harness, former)
    attempt_id = await harness.submitted(former)
    assert await harness.state(attempt_id) == ("refused", "case-not-open")
    assert await forms(harness, current) == []


async def test_a_number_joined_or_removed_while_the_departments_answer_refuses_the_attempt(harness: Harness) -> None:
    former, current = await harness.student(), await harness.student()
    attempt_id = await harness.submit(current)
    await join(harness, current, former)
    await harness.deliver_all()
    assert await harness.state(attempt_id) == ("refused", "numbers-changed")
    attempt_id = await harness.submit(current)
    await unjoin(harness, current, former)
    await harness.deliver_all()
    assert await harness.state(attempt_id) == ("refused", "numbers-changed")
    assert await harness.holds(former) == {}
    attempt_id = await harness.submitted(current)
    assert await harness.state(attempt_id) == ("accepted", "")


async def test_an_attempt_from_before_the_join_is_not_accepted_under_the_former_number(harness: Harness) -> None:
    former, current = await harness.student(), await harness.student()
    before = await harness.submit(former)
    await join(harness, current, former)
    together = await harness.submit(current)
    await harness.deliver_all()
    assert await harness.state(before) == ("refused", "case-not-open")
    assert await harness.state(together) == ("refused", "another-attempt-open")


async def test_a_debt_racing_the_attestation_of_the_former_number_is_never_overlooked(harness: Harness) -> None:
    for _ in range(6):
        current, former = await two_numbers(harness)
        attempt_id = await harness.submit(current)

        async def owe(former: str = former) -> bool:
            try:
                await harness.set("finance", former, OWED)
            except Held:
                return False
            return True

        owes, _ = await asyncio.gather(owe(), harness.deliver_all())
        await harness.deliver_all()
        assert (await harness.state(attempt_id))[0] == ("refused" if owes else "accepted")


async def test_a_number_joined_after_the_acceptance_and_a_later_debt_under_it_are_exceptions(harness: Harness) -> None:
    current, former = await two_numbers(harness)
    await harness.submitted(current)
    [form] = await forms(harness, current)
    other = await harness.student()
    await join(harness, current, other)
    await harness.deliver_all()
    assert await open_exceptions(harness, form["form_number"]) == {"roster 1": ["former-number"]}
    await unjoin(harness, current, other)
    assert await open_exceptions(harness, form["form_number"]) == {}
    await harness.set("finance", former, OWED)
    await harness.deliver_all()
    [name] = await open_exceptions(harness, form["form_number"])
    assert name.startswith("former-1-finance ")
    assert await hand_over(harness, current, form["form_number"]) == "unconfirmed"
    assert await hand_over(harness, current, form["form_number"], confirmed=(name,), reason="旧欠费已缴") == "issued"
    await harness.set("finance", former, CLEAR.get("finance", {}))
    await harness.deliver_all()
    assert await open_exceptions(harness, form["form_number"]) == {}


async def test_a_repeated_request_and_a_late_answer_change_nothing(harness: Harness) -> None:
    current, _ = await two_numbers(harness)
    command_id = await harness.submit(current)
    await harness.submit(current, command_id)
    await harness.deliver_all()
    assert await harness.state(command_id) == ("accepted", "")
    await harness.submit(current, command_id)
    await harness.deliver_all()
    assert len(await forms(harness, current)) == 1


async def test_an_attempt_that_expires_ends_its_parts(harness: Harness) -> None:
    current, former = await two_numbers(harness)
    attempt_id = await harness.submit(current)
    await harness.deliver_all(without=["finance"])
    assert (await harness.state(attempt_id))[0] == "open"
    await harness.overdue(attempt_id)
    assert await harness.sweeper.sweep() == 1
    await harness.deliver_all()
    assert await harness.state(attempt_id) == ("expired", "expired")
    assert await harness.holds(former) == {}
    open_left = "SELECT count(*) FROM attempt WHERE state = 'open' AND student_id = $1"
    assert await harness.clearance.pool.fetchval(open_left, former) == 0


async def test_numbers_are_joined_to_the_current_one_directly_and_to_one_person(harness: Harness) -> None:
    current, former = await two_numbers(harness)
    third = await harness.student()
    for one, other, slug in (
        (former, third, "chain"),
        (third, current, "chain"),
        (current, current, "chain"),
        (third, former, "joined-to-another"),
        ("TS-NOBODY", third, "unknown-student"),
    ):
        with pytest.raises(JoinRefused, match=slug):
            await join(harness, one, other)
    with pytest.raises(JoinRefused, match="not-joined"):
        await unjoin(harness, third, former)
    async with harness.clearance.pool.acquire() as connection:
        assert await former_numbers(connection, current) == (former,)


async def test_a_person_has_no_more_former_numbers_than_a_form_names(harness: Harness) -> None:
    current = await harness.student()
    for number in range(MAX_FORMER_NUMBERS):
        await join(harness, current, f"{current}-{number}")
    with pytest.raises(JoinRefused, match="too-many"):
        await join(harness, current, f"{current}-X")
    assert await join(harness, current, f"{current}-0") == "unchanged"
