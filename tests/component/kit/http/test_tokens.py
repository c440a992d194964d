"""Tokens of persons and systems: made, rotated and revoked by command while the service runs, and guessed at."""

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from services.kit.http.access import auth
from services.kit.http.access.auth import WRONG_BURST, Credentials, token_sha256
from services.kit.names import desk_role
from services.kit.postgres.migrations import KIT_MIGRATIONS, migrate
from services.kit.settings import Settings
from services.kit.tokens.cli import token_commands
from tests.component.kit.http.application import application, client_of, entry, problem_of
from tests.support.waiting import eventually

ROLE = desk_role("library")


class Desk:
    """A running service and its command line."""

    def __init__(self, app: FastAPI, pool: "asyncpg.Pool[Any]", http: httpx.AsyncClient, database: str) -> None:
        self.app, self.pool, self.http, self._database = app, pool, http, database

    async def status(self, token: str) -> int:
        return (await self.http.get("/desk", headers={"Authorization": f"Bearer {token}"})).status_code

    async def command(self, *arguments: str, exit_code: int = 0) -> str:
        environment = {"LIXIAO_DATABASE": self._database, "LIXIAO_KAFKA": "127.0.0.1:9", "COLUMNS": "300"}
        commands = token_commands({ROLE, "operator"})
        done = await asyncio.to_thread(CliRunner().invoke, commands, arguments, env=environment)
        assert done.exit_code == exit_code, done.output
        return done.output.strip()

    async def becomes(self, token: str, status: int) -> None:
        async def is_so() -> bool:
            return await self.status(token) == status

        await eventually(is_so, what=f"status {status}", timeout_s=5)


@pytest.fixture
async def desk(database: str, tmp_path: Path) -> AsyncIterator[Desk]:
    await migrate(database, [KIT_MIGRATIONS / "audit", KIT_MIGRATIONS / "tokens"])
    app = application(tmp_path)
    async with asyncpg.create_pool(database) as pool, client_of(app) as http:
        app.state.credentials.pool = pool
        yield Desk(app, pool, http, database)


async def test_a_token_made_by_command_is_good_at_once_and_ends_within_seconds_of_its_end(desk: Desk) -> None:
    token = await desk.command("make", "zhang.wei", "--role", ROLE)
    assert await desk.status(token) == 200
    await desk.command("revoke", "zhang.wei")
    await desk.becomes(token, 401)
    assert "no valid token" in await desk.command("revoke", "zhang.wei", exit_code=1)


async def test_both_tokens_are_good_while_one_is_rotated_and_only_the_newer_one_after(desk: Desk) -> None:
    old = await desk.command("make", "zhang.wei", "--role", ROLE)
    new = await desk.command("rotate", "zhang.wei", "--overlap-hours", "1")
    assert (await desk.status(old), await desk.status(new)) == (200, 200)
    newest = await desk.command("rotate", "zhang.wei", "--overlap-hours", "0")
    await desk.becomes(new, 401)
    await desk.becomes(old, 401)
    assert await desk.status(newest) == 200


async def test_an_expired_token_is_refused(desk: Desk) -> None:
    token = await desk.command("make", "zhang.wei", "--role", ROLE)
    await desk.pool.execute("UPDATE access_token SET expires_at = now()")
    await desk.becomes(token, 401)


async def test_a_token_has_only_its_own_roles(desk: Desk) -> None:
    token = await desk.command("make", "ops", "--role", "operator")
    assert await desk.status(token) == 403
    assert "not a role of this service" in await desk.command("make", "x", "--role", "desk:libary", exit_code=2)


async def test_a_name_has_one_token_unless_it_is_rotated(desk: Desk) -> None:
    await desk.command("make", "zhang.wei", "--role", ROLE)
    assert "rotate or revoke it" in await desk.command("make", "zhang.wei", "--role", ROLE, exit_code=1)


async def test_the_list_shows_roles_expiry_and_last_use_and_no_token(desk: Desk) -> None:
    token = await desk.command("make", "zhang.wei", "--role", ROLE, "--days", "30")
    before = await desk.command("list")
    assert await desk.status(token) == 200
    after = await desk.command("list")
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%d}" in before
    assert (before.count(today), after.count(today)) == (1, 2)
    assert ROLE in after
    assert token not in after
    assert token_sha256(token) not in after
    stored = json.dumps([dict(row) for row in await desk.pool.fetch("SELECT * FROM access_token")], default=str)
    assert token not in stored


async def test_making_rotating_and_revoking_are_audited_without_the_token(desk: Desk) -> None:
    token = await desk.command("make", "zhang.wei", "--role", ROLE)
    await desk.command("rotate", "zhang.wei")
    await desk.command("revoke", "zhang.wei")
    entries = await desk.pool.fetch("SELECT actor, act, details FROM audit.entry ORDER BY entry_id")
    assert [row["act"] for row in entries] == ["token.make", "token.rotate", "token.revoke"]
    assert all(row["actor"].startswith("command line: ") for row in entries)
    assert all("zhang.wei" in row["details"] and token not in row["details"] for row in entries)


async def test_a_token_without_the_role_is_in_the_audit_and_an_unknown_one_is_not(desk: Desk) -> None:
    token = await desk.command("make", "ops", "--role", "operator")
    assert (await desk.status(token), await desk.status("unknown")) == (403, 401)
    (entry,) = await desk.pool.fetch("SELECT actor, outcome, details FROM audit.entry WHERE act = 'access.refuse'")
    details = json.loads(entry["details"])
    assert (entry["actor"], entry["outcome"]) == ("ops", "role")
    assert (details["required"], details["route"], details["address"]) == ([ROLE], "/desk", "127.0.0.1")


async def test_an_address_that_guesses_is_slowed_and_logged_and_shuts_nobody_else_out(
    desk: Desk, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await desk.command("make", "zhang.wei", "--role", ROLE)
    monkeypatch.setattr(auth, "KNOWN_FOR_S", 0.0)
    assert await desk.status(token) == 200
    statuses = [await desk.status(f"guess-{number}") for number in range(60)]
    assert statuses.count(401) <= WRONG_BURST + 1
    assert statuses[-1] == 429
    slowed = await desk.http.get("/desk", headers={"Authorization": "Bearer another"})
    assert int(slowed.headers["retry-after"]) >= 1
    problem_of(slowed, 429)
    assert await desk.status(token) == 200
    logged = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert {("auth.refused", "127.0.0.1"), ("auth.slowed", "127.0.0.1")} <= {
        (line["event"], line.get("address")) for line in logged
    }
    assert not re.search(r"guess-\d|" + token, lines.getvalue())


async def test_one_name_that_floods_is_slowed_and_logged_and_no_other_is(
    desk: Desk, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ten at once, and the next one after minutes: however slow the machine is.
    monkeypatch.setattr(auth, "BURST_S", 1000.0)
    settings = Settings(kafka="127.0.0.1:9", database="postgresql://127.0.0.1/none", token_rate=0.01)
    desk.app.state.credentials = credentials = Credentials.of(settings)
    credentials.pool = desk.pool
    token, other = [await desk.command("make", name, "--role", ROLE) for name in ("sync", "zhang.wei")]
    newer = await desk.command("rotate", "sync", "--overlap-hours", "1")
    statuses = [await desk.status(sent) for sent in [token] * 6 + [newer] * 6 + [token] * 30]
    assert statuses.count(200) == 10, "all tokens of a name count together"
    refused = await desk.http.get("/desk", headers={"Authorization": f"Bearer {newer}"})
    problem_of(refused, 429)
    assert int(refused.headers["retry-after"]) >= 1
    assert await desk.status(other) == 200
    logged = [json.loads(line) for line in lines.getvalue().splitlines()]
    slowed = [line for line in logged if line["event"] == "token.slowed"]
    assert 0 < len(slowed) < 20, "a flood is not one in the log"
    assert {(line["principal"], line["address"]) for line in slowed} == {("sync", "127.0.0.1")}


async def test_an_entry_removed_from_the_file_is_refused_within_seconds_without_a_restart(
    tmp_path: Path, lines: io.StringIO
) -> None:
    app, path = application(tmp_path), tmp_path / "credentials.json"
    async with client_of(app) as http:
        desk = Desk(app, None, http, "")  # type: ignore[arg-type]
        entries = [entry("library-desk", token_sha256("one")), entry("dorm-desk", token_sha256("two"))]
        path.write_text(json.dumps(entries))
        app.state.credentials = Credentials.load(path)
        assert await desk.status("one") == 200
        path.write_text("[{")

        async def file_refused() -> bool:
            assert await desk.status("one") == 200
            return "credentials.refused" in lines.getvalue()

        await eventually(file_refused, what="the half-written file to be looked at")
        assert await desk.status("one") == 200
        path.write_text(json.dumps(entries[1:]))
        await desk.becomes("one", 401)
        soon = datetime.now(UTC) - timedelta(seconds=1)
        path.write_text(json.dumps([{**entries[0], "expires_at": soon.isoformat()}]))
        await desk.becomes("two", 401)
        assert await desk.status("one") == 401
