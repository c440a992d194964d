"""Republications are asked for by an operator over HTTP, by the command and by the clearance's event."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from typer.testing import CliRunner

from schemas.events import RepublicationAsked, StatusChanged
from services.kit.department.changes.requests import change_record
from services.kit.department.commands import department_commands
from services.kit.department.desk import Desk
from services.kit.department.recovery.republication import StatusPublisher, republication_asked
from services.kit.http.app import create_app
from services.kit.messaging.outbox import Wakeup
from services.kit.names import OPERATOR, desk_role
from services.kit.republishing.api import republications_router
from services.kit.republishing.worker import Republisher
from services.kit.rules.reasons import CASE_OPENED
from services.kit.runtime.health import Health
from services.library.rules import Card
from tests.support.credentials import credentials
from tests.support.departments.desks import desk_over, open_case, outbox_statuses, rules_of
from tests.support.imports.department import student

TOKEN, CLERK = "o" * 40, "c" * 40


@dataclass
class Library:
    desk: Desk[Any]
    http: httpx.AsyncClient

    async def newest(self, student_id: str) -> StatusChanged:
        return [status for status in await outbox_statuses(self.desk) if status.student_id == student_id][-1]

    async def ask(self, *student_ids: str, above_version: int | None = None, reason: str = "older-version") -> None:
        """The clearance's event, and the work that follows."""
        event = RepublicationAsked(
            request_id=uuid4(),
            department="library",
            student_ids=student_ids,
            above_version=above_version,
            reason=reason,
            asked_at=datetime.now(UTC),
        )
        async with self.desk.pool.acquire() as connection, connection.transaction():
            await republication_asked(connection, event)
        while await Republisher(self.desk.pool, StatusPublisher(self.desk), Wakeup()).batch():
            pass


@pytest.fixture
async def library(database: str) -> AsyncIterator[Library]:
    async with desk_over(database, "library") as desk:
        app = create_app(
            title="library",
            version="1",
            description="",
            health=Health(),
            lifespan=None,
            routers=[republications_router(desk.pool)],
            telemetry=None,
        )
        app.state.credentials = credentials(operator=(TOKEN, [OPERATOR]), clerk=(CLERK, [desk_role("library")]))
        transport, headers = httpx.ASGITransport(app), {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://library.example", headers=headers) as http:
            yield Library(desk, http)


async def test_an_operator_asks_over_http_and_sees_the_progress(library: Library) -> None:
    who, other = student(), student()
    await open_case(library.desk, who)
    await open_case(library.desk, other)
    answer = await library.http.post("/republications", json={"student_id": who.lower(), "reason": "hidden line"})
    assert answer.status_code == 202, answer.text
    assert (answer.json()["students"], answer.json()["finished_at"]) == (1, None)
    assert who not in answer.text
    while await Republisher(library.desk.pool, StatusPublisher(library.desk), Wakeup()).batch():
        pass
    done = (await library.http.get(answer.headers["Location"])).json()
    assert (done["published"], done["asked_by"], done["reason"]) == (1, "operator", "hidden line")
    assert (await library.http.get("/republications")).json()["republications"] == [done]
    assert (await library.newest(who)).version == 2
    assert (await library.newest(other)).version == 1
    entry = await library.desk.pool.fetchrow("SELECT * FROM audit.entry WHERE act = 'republication.ask'")
    assert entry is not None
    assert (entry["actor"], entry["student_id"]) == ("operator", who)


async def test_only_operators_ask_and_an_unknown_id_is_a_problem_document(library: Library) -> None:
    refused = await library.http.post(
        "/republications", json={"reason": "x"}, headers={"Authorization": f"Bearer {CLERK}"}
    )
    assert refused.status_code == 403
    missing = await library.http.get("/republications/17")
    assert (missing.status_code, missing.headers["Content-Type"]) == (404, "application/problem+json")


async def test_the_command_publishes_without_a_running_service(
    library: Library, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = student()
    await open_case(library.desk, who)
    monkeypatch.setenv("LIXIAO_DATABASE", database)
    monkeypatch.setenv("LIXIAO_KAFKA", "127.0.0.1:9")
    run = CliRunner().invoke
    result = await asyncio.to_thread(run, department_commands(rules_of("library")), ["republish", "--student", who])
    assert result.exit_code == 0, result.output
    assert "1 published again" in result.output
    assert (await library.newest(who)).version == 2
    wrong = await asyncio.to_thread(run, department_commands(rules_of("library")), ["republish", "--student", "!"])
    assert wrong.exit_code == 2


async def test_who_asks_with_a_higher_version_is_answered_above_it_and_so_is_everything_later(library: Library) -> None:
    who, other = student(), student()
    await open_case(library.desk, who)
    await open_case(library.desk, other)
    await library.ask(who, above_version=41)
    assert (await library.newest(who)).version == 42
    await change_record(
        library.desk, other, lambda record: (record.updated(card=Card.CANCELLED), CASE_OPENED()), now=datetime.now(UTC)
    )
    assert (await library.newest(other)).version == 42


async def test_a_lower_version_of_a_reader_moves_no_floor(library: Library) -> None:
    who = student()
    await open_case(library.desk, who)
    await library.ask(who, above_version=1)
    assert (await library.newest(who)).version == 2
    assert await library.desk.pool.fetchval("SELECT version FROM version_floor") == 0
