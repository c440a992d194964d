"""Certificates handed over, over real databases: once, whoever asks, at however many desks."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from schemas.events import CertificateIssueAsked, TakenBy
from services.kit.names import VIEW_CHANNEL
from tests.support.in_process.submission_harness import Harness

DESKS = 200
"""Photocopies of one form, shown at as many desks at once."""


async def submitted(harness: Harness) -> tuple[str, str]:
    """A student whose submission was accepted, and the number of the form."""
    student_id = await harness.student()
    await harness.submit(student_id)
    await harness.deliver_all()
    submission = await harness.submission(student_id)
    assert submission is not None
    return student_id, submission["form_number"]


def asked(student_id: str, form_number: str, **changes: Any) -> CertificateIssueAsked:
    values: dict[str, Any] = {
        "command_id": uuid4(),
        "student_id": student_id,
        "form_number": form_number,
        "asked_by": "clerk-1",
        "taken_by": TakenBy.SELF,
        "asked_at": datetime.now(UTC),
    }
    return CertificateIssueAsked(**{**values, **changes})


async def hear(harness: Harness, *events: CertificateIssueAsked) -> None:
    await harness.clearance.receive([harness.record(harness.topics.command, event) for event in events])


async def issue(harness: Harness, student_id: str) -> asyncpg.Record | None:
    rows = await harness.clearance.pool.fetch("SELECT * FROM published.issue_v1 WHERE student_id = $1", student_id)
    return rows[0] if rows else None


async def audited(harness: Harness, student_id: str) -> list[tuple[str, str, UUID]]:
    rows = await harness.clearance.pool.fetch(
        "SELECT actor, outcome, details FROM audit.entry WHERE student_id = $1 AND act = 'certificate.issue'"
        " ORDER BY entry_id",
        student_id,
    )
    return [(row["actor"], row["outcome"], UUID(json.loads(row["details"])["command"])) for row in rows]


async def test_certificates_are_handed_over_and_who_when_and_to_whom_is_published(harness: Harness) -> None:
    student_id, form_number = await submitted(harness)
    event = asked(student_id, form_number, taken_by=TakenBy.PROXY, proxy_name="欧阳㛃")
    await hear(harness, event)
    row = await issue(harness, student_id)
    assert row is not None
    assert (row["form_number"], row["issued_by"], row["issued_to"]) == (form_number, "clerk-1", "proxy")
    assert (row["proxy_name"], row["command_id"]) == ("欧阳㛃", event.command_id)
    assert await audited(harness, student_id) == [("clerk-1", "issued", event.command_id)]


async def test_the_outcome_wakes_whoever_waits_for_it(harness: Harness) -> None:
    student_id, form_number = await submitted(harness)
    woken = asyncio.Event()
    async with harness.clearance.pool.acquire() as connection:

        def wake(*_: object) -> None:
            woken.set()

        await connection.add_listener(VIEW_CHANNEL, wake)
        await hear(harness, asked(student_id, form_number))
        await asyncio.wait_for(woken.wait(), 10)
        await connection.remove_listener(VIEW_CHANNEL, wake)
    assert await issue(harness, student_id) is not None


async def test_a_form_shown_at_many_desks_at_once_is_honoured_at_exactly_one(harness: Harness) -> None:
    student_id, form_number = await submitted(harness)
    events = [asked(student_id, form_number, asked_by=f"clerk-{desk}") for desk in range(DESKS)]
    await asyncio.gather(*(hear(harness, event) for event in events))
    row = await issue(harness, student_id)
    assert row is not None
    told = await audited(harness, student_id)
    winners = [(actor, command) for actor, outcome, command in told if outcome == "issued"]
    assert winners == [(row["issued_by"], row["command_id"])]
    assert {actor for actor, outcome, _ in told if outcome == "already-issued"} == (
        {event.asked_by for event in events} - {row["issued_by"]}
    )


async def test_a_command_heard_again_changes_nothing(harness: Harness) -> None:
    student_id, form_number = await submitted(harness)
    event = asked(student_id, form_number)
    await hear(harness, event, event)
    first = await issue(harness, student_id)
    await hear(harness, event)
    assert await issue(harness, student_id) == first
    assert await audited(harness, student_id) == [("clerk-1", "issued", event.command_id)]


async def test_the_mark_is_never_changed_or_taken_back(harness: Harness) -> None:
    student_id, form_number = await submitted(harness)
    await hear(harness, asked(student_id, form_number))
    for statement in (
        "UPDATE issue SET issued_by = 'x' WHERE student_id = $1",
        "DELETE FROM issue WHERE student_id = $1",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="never changed"):
            await harness.clearance.pool.execute(statement, student_id)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"form_number": "2026-22222-22222-2"}, "form_number: it is another student's"),
        ({"taken_by": TakenBy.PROXY}, "proxy_name: it is present exactly when a proxy takes the certificates"),
        ({"proxy_name": "欧阳㛃"}, "proxy_name: it is present exactly when a proxy takes the certificates"),
        ({"student_id": "TSNOBODY"}, "student_id: this student has no submission"),
    ],
)
async def test_what_cannot_be_asked_is_set_aside_with_the_reason(
    harness: Harness, changes: dict[str, Any], reason: str
) -> None:
    student_id, form_number = await submitted(harness)
    harness.clearance.dead_letters.clear()
    await hear(harness, asked(**{"student_id": student_id, "form_number": form_number, **changes}))
    assert harness.clearance.dead_letters == [reason]
    assert await issue(harness, student_id) is None


async def test_a_command_of_one_student_is_not_anothers(harness: Harness) -> None:
    first, second = await submitted(harness), await submitted(harness)
    event = asked(*first)
    await hear(harness, event)
    harness.clearance.dead_letters.clear()
    await hear(harness, asked(*second, command_id=event.command_id))
    assert harness.clearance.dead_letters == ["command_id: it is another form's"]
    assert await issue(harness, second[0]) is None
