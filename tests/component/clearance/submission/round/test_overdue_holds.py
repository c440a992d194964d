"""Holds whose attempt's end never arrives: they are asked about, end with the attempt's life, and decide nothing."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from deploy.local.servers.server import Running
from schemas.codec import read
from schemas.events import (
    AttestationGiven,
    AttestationOutcome,
    EndOutcome,
    KnownEnd,
    SubmissionAccepted,
    SubmissionRefused,
)
from services.kit.department.api.hold_routes import holds_router
from services.kit.department.commands import department_commands
from services.kit.department.loops.hold_watch import HoldWatch
from services.kit.department.rounds.holds import Holds
from services.kit.http.app import create_app
from services.kit.names import OPERATOR
from services.kit.operations import Held
from services.kit.runtime.health import Health
from tests.support.credentials import credentials
from tests.support.in_process.services import RULES
from tests.support.in_process.submission_harness import CLEAR_LIBRARY, OWING, Harness, of

GRACE_S = 60.0


def holds_of(harness: Harness) -> Holds:
    return Holds(harness.desks["library"], harness.topics, grace_s=GRACE_S)


async def attempt_over(harness: Harness, attempt_id: UUID, by: timedelta) -> None:
    """At the library, the life of the attempt has been over for so long."""
    await harness.departments["library"].pool.execute(
        "UPDATE hold SET expires_at = clock_timestamp() - $2::interval WHERE attempt_id = $1", attempt_id, by
    )


async def held_by_the_library(harness: Harness) -> tuple[str, UUID]:
    """An open attempt to which only the library has answered."""
    student_id = await harness.student()
    attempt_id = await harness.submit(student_id)
    await harness.ask_departments(await harness.question(), "library")
    await harness.deliver_all(without=("archives", "dorm", "finance"))
    assert await harness.holds(student_id) == {"library": [attempt_id]}
    return student_id, attempt_id


async def test_a_hold_whose_end_was_lost_is_asked_about_and_released_by_the_end_said_again(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.clearance.submission.round.hearing.REPEAT_AFTER", timedelta())
    student_id, attempt_id = await held_by_the_library(harness)
    await harness.overdue(attempt_id)
    await harness.sweeper.sweep()
    await harness.clearance.take_outbox()  # the end is lost
    await attempt_over(harness, attempt_id, timedelta(seconds=1))
    holds = holds_of(harness)
    assert (await holds.ask(), await holds.ask()) == (1, 0)
    (end,) = of(await harness.deliver_all(), SubmissionRefused)
    assert (end.attempt_id, end.cause) == (attempt_id, "expired")
    assert await harness.holds(student_id) == {}


async def test_a_hold_within_its_attempts_life_is_not_asked_about_and_does_not_end(harness: Harness) -> None:
    student_id, attempt_id = await held_by_the_library(harness)
    holds = holds_of(harness)
    assert (await holds.ask(), await holds.end_lapsed()) == (0, [])
    await attempt_over(harness, attempt_id, timedelta(seconds=GRACE_S - 30))
    assert await holds.end_lapsed() == []
    assert await harness.holds(student_id) == {"library": [attempt_id]}
    await harness.overdue(attempt_id)
    await harness.sweeper.sweep()
    await harness.deliver_all()


async def test_without_any_end_a_hold_ends_with_its_attempts_life_and_the_debt_comes_in(harness: Harness) -> None:
    student_id, attempt_id = await held_by_the_library(harness)
    with pytest.raises(Held):
        await harness.set("library", student_id, OWING)
    await attempt_over(harness, attempt_id, timedelta(seconds=GRACE_S + 1))
    assert await holds_of(harness).end_lapsed() == [attempt_id]
    assert (await harness.set("library", student_id, OWING)).applied
    entry = await harness.departments["library"].pool.fetchrow(
        "SELECT actor, outcome FROM audit.entry WHERE act = 'attempt.release' AND student_id = $1", student_id
    )
    assert entry is not None
    assert tuple(entry) == ("/lixiao/library", "lapsed")
    await harness.overdue(attempt_id)
    await harness.sweeper.sweep()
    await harness.deliver_all()
    assert await harness.state(attempt_id) == ("expired", "expired")


async def test_an_answer_whose_hold_has_ended_is_never_given_again(harness: Harness) -> None:
    """A clearance that was restored opens the attempt anew and asks again: what was clear then holds nothing now."""
    student_id = await harness.student()
    attempt_id = await harness.submit(student_id)
    question = await harness.question()
    await harness.ask_departments(question, "library")
    await harness.departments["library"].take_outbox()  # the clearance lost it
    await attempt_over(harness, attempt_id, timedelta(seconds=GRACE_S + 1))
    await holds_of(harness).end_lapsed()
    await harness.ask_departments(question)
    (answer,) = [read(one.value) for one in await harness.departments["library"].take_outbox()]
    assert isinstance(answer, AttestationGiven)
    assert (answer.outcome, answer.ended) == (AttestationOutcome.OBJECTED, KnownEnd(outcome=EndOutcome.LAPSED))
    await harness.clearance.receive([harness.record(harness.topics.attestation("library"), answer)])
    assert of(await harness.deliver_all(), SubmissionAccepted) == []
    assert await harness.state(attempt_id) == ("expired", "expired")
    assert await harness.holds(student_id) == {}


async def test_the_end_that_arrives_after_its_hold_lapsed_is_taken_as_it_is(harness: Harness) -> None:
    _, attempt_id = await held_by_the_library(harness)
    library = harness.departments["library"]
    await attempt_over(harness, attempt_id, timedelta(seconds=GRACE_S + 1))
    await holds_of(harness).end_lapsed()
    dead = len(library.dead_letters)
    await harness.overdue(attempt_id)
    await harness.sweeper.sweep()
    await harness.deliver_all()
    assert len(library.dead_letters) == dead
    ended = await library.pool.fetchval("SELECT outcome FROM attempt_end WHERE attempt_id = $1", attempt_id)
    assert ended == "refused"


async def test_nothing_is_accepted_after_the_attempts_life_even_before_it_is_swept(harness: Harness) -> None:
    student_id = await harness.student()
    attempt_id = await harness.submit(student_id)
    question = await harness.question()
    await harness.ask_departments(question, "library", "archives", "dorm")
    await harness.deliver_all()
    await harness.overdue(attempt_id)
    await harness.ask_departments(question, "finance")
    said = await harness.deliver_all()
    assert of(said, SubmissionAccepted) == []
    assert await harness.state(attempt_id) == ("expired", "expired")
    assert await harness.submission(student_id) is None
    assert await harness.holds(student_id) == {}


async def test_an_overdue_hold_is_a_warning_and_takes_nothing_out_of_readiness(harness: Harness) -> None:
    _, attempt_id = await held_by_the_library(harness)
    watch = HoldWatch(harness.departments["library"].pool, "library", holds_of(harness))
    health = Health()
    health.add_warning("holds", watch.warning)

    async def warned() -> dict[str, str]:
        await watch.measure()
        report = await health.ready()
        assert report.healthy
        return report.warnings

    assert await warned() == {}
    await attempt_over(harness, attempt_id, timedelta(seconds=45))
    assert "a hold is overdue by 45 s" in (await warned())["holds"]
    await harness.overdue(attempt_id)
    await harness.sweeper.sweep()
    await harness.deliver_all()
    assert await warned() == {}


async def test_a_change_that_met_a_hold_makes_the_next_attempt_objected_until_it_came(harness: Harness) -> None:
    """A student who keeps submitting while the dorm is silent holds a debt off for one attempt's life, not for ever."""
    student_id, attempt_id = await held_by_the_library(harness)
    with pytest.raises(Held):
        await harness.set("library", student_id, OWING)
    await harness.overdue(attempt_id)
    await harness.sweeper.sweep()
    await harness.deliver_all(without=("dorm",))
    again = await harness.submit(student_id)
    (end,) = of(await harness.deliver_all(without=("dorm",)), SubmissionRefused)
    assert (end.attempt_id, list(end.objections)) == (again, ["library"])
    assert {reason.code for reason in end.objections["library"]} == {"change-waiting"}
    assert (await harness.set("library", student_id, OWING)).applied
    await harness.set("library", student_id, CLEAR_LIBRARY)
    assert await harness.state(await harness.submitted(student_id)) == ("accepted", "")


async def test_a_change_that_gave_up_counts_for_an_hour(harness: Harness) -> None:
    student_id, attempt_id = await held_by_the_library(harness)
    with pytest.raises(Held):
        await harness.set("library", student_id, OWING)
    await harness.overdue(attempt_id)
    await harness.sweeper.sweep()
    await harness.deliver_all()
    library = harness.departments["library"].pool
    await library.execute("UPDATE waiting_change SET noted_at = noted_at - interval '61 minutes'")
    assert await harness.state(await harness.submitted(student_id)) == ("accepted", "")


@pytest.fixture
async def operator(harness: Harness) -> AsyncIterator[httpx.AsyncClient]:
    app: FastAPI = create_app(
        title="library",
        version="1",
        description="",
        health=Health(),
        lifespan=None,
        routers=[holds_router(holds_of(harness))],
        telemetry=None,
    )
    app.state.credentials = credentials(admin=("t" * 32, [OPERATOR]))
    headers = {"Authorization": f"Bearer {'t' * 32}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://library.example", headers=headers
    ) as client:
        yield client


async def test_an_operator_releases_a_hold_only_when_its_attempt_cannot_be_accepted_any_more(
    harness: Harness, operator: httpx.AsyncClient
) -> None:
    student_id, attempt_id = await held_by_the_library(harness)
    body = {"attempt_id": str(attempt_id), "reason": "the clearance is being restored"}
    refused = await operator.post("/holds/release", json=body)
    assert (refused.status_code, refused.json()["type"].endswith("attempt-open")) == (409, True)
    assert (await operator.post("/holds/release", json={**body, "attempt_id": str(uuid4())})).status_code == 404
    await attempt_over(harness, attempt_id, timedelta(seconds=1))
    listed = (await operator.get("/holds")).json()["holds"]
    assert [one["overdue"] for one in listed if one["attempt_id"] == str(attempt_id)] == [True]
    assert student_id not in str(listed)
    assert (await operator.post("/holds/release", json=body)).status_code == 204
    assert await harness.holds(student_id) == {}
    entry = await harness.departments["library"].pool.fetchrow(
        "SELECT actor, details::json->>'reason' AS reason FROM audit.entry"
        " WHERE act = 'attempt.release' AND student_id = $1",
        student_id,
    )
    assert entry is not None
    assert tuple(entry) == ("admin", "the clearance is being restored")


async def test_the_command_line_lists_and_releases_holds(
    harness: Harness, postgres: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    student_id, attempt_id = await held_by_the_library(harness)
    name = await harness.departments["library"].pool.fetchval("SELECT current_database()")
    monkeypatch.setenv("LIXIAO_DATABASE", urlsplit(postgres.address)._replace(path=f"/{name}").geturl())
    monkeypatch.setenv("LIXIAO_KAFKA", "127.0.0.1:9")

    async def command(*arguments: str) -> tuple[int, str]:
        result = await asyncio.to_thread(CliRunner().invoke, department_commands(RULES["library"]), arguments)
        return result.exit_code, result.output

    code, listed = await command("holds", "list")
    assert (code, f"{attempt_id}  held" in listed, student_id in listed) == (0, True, False)
    code, said = await command("holds", "release", str(attempt_id), "--reason", "stuck")
    assert (code, "may still be accepted" in said) == (1, True)
    await attempt_over(harness, attempt_id, timedelta(seconds=1))
    assert await command("holds", "release", str(attempt_id), "--reason", "stuck") == (0, "released\n")
    assert await harness.holds(student_id) == {}
