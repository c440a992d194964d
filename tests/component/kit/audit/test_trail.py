"""What an auditor asks: who touched this student, and what did this person do."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from typer.testing import CliRunner

from services.kit.audit import log, trail
from services.kit.audit.commands import audit_commands, databases_of_all, own_database
from services.kit.postgres.migrations import KIT_MIGRATIONS, migrate
from services.kit.postgres.pool import open_pool


@pytest.fixture
async def pool(database: str) -> AsyncIterator["asyncpg.Pool[Any]"]:
    await migrate(database, [KIT_MIGRATIONS / "audit"])
    opened = await open_pool(database, name="audit")
    yield opened
    await opened.close()


async def acted(pool: "asyncpg.Pool[Any]", actor: str, student_id: str | None, outcome: str = "changed") -> None:
    async with pool.acquire() as connection:
        await log.append_entry(
            connection, actor=actor, act="desk.pay", outcome=outcome, student_id=student_id, details={"version": 4}
        )


async def asked(environment: dict[str, str], *arguments: str, typed: str = "") -> list[dict[str, Any]]:
    """What the command prints."""
    databases = databases_of_all if "LIXIAO_DATABASES" in environment else own_database
    done = await asyncio.to_thread(
        CliRunner().invoke, audit_commands(databases), arguments, input=typed, env=environment
    )
    assert done.exit_code == 0, done.output
    return [json.loads(line[line.index("{") :]) for line in done.stdout.splitlines() if "{" in line]


async def test_who_touched_a_student_is_printed_by_time_page_after_page(
    database: str, pool: "asyncpg.Pool[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail, "_OF_STUDENT", trail._OF_STUDENT.replace(str(trail.PAGE), "2"))
    monkeypatch.setattr(trail, "PAGE", 2)
    for number in range(5):
        await acted(pool, f"clerk-{number}", "TS20260001")
    await acted(pool, "clerk-9", "TS20260002")
    await acted(pool, "clerk-5", "TS20260001", log.READ)
    found = await asked({"LIXIAO_DATABASE": database}, "of-student", typed="ts20260001\n")
    assert [one["actor"] for one in found] == [f"clerk-{number}" for number in range(6)]
    assert (found[-1]["outcome"], found[0]["version"]) == ("read", 4)


async def test_the_auditors_own_look_is_in_the_audit(database: str, pool: "asyncpg.Pool[Any]") -> None:
    await acted(pool, "clerk", "TS20260001")
    await asked({"LIXIAO_DATABASE": database}, "of-student", typed="TS20260001\n")
    found = await asked({"LIXIAO_DATABASE": database}, "of-student", typed="TS20260001\n")
    assert [one["act"] for one in found] == ["desk.pay", "audit.of-student"]
    assert found[1]["actor"].startswith("command line: ")


async def test_what_a_person_did_is_found_by_their_account_behind_the_gateway_too(
    database: str, pool: "asyncpg.Pool[Any]"
) -> None:
    for actor in ("wang.li", "gateway: 王丽 (wang.li)", "gateway: wang.li"):
        await acted(pool, actor, "TS20260001")
    for other in ("wang.lin", "gateway: 王丽 (x.wang.li)", "not: a person wang.li", "%"):
        await acted(pool, other, "TS20260001")
    found = await asked({"LIXIAO_DATABASE": database}, "of-actor", "wang.li")
    assert [one["actor"] for one in found] == ["wang.li", "gateway: 王丽 (wang.li)", "gateway: wang.li"]
    assert await asked({"LIXIAO_DATABASE": database}, "of-actor", "wang.li", "--since", "2999-01-01") == []


async def test_all_databases_of_an_installation_are_asked_at_once(
    database: str, pool: "asyncpg.Pool[Any]", tmp_path: Path
) -> None:
    await acted(pool, "clerk", "TS20260001")
    secrets = tmp_path / "secrets.json"
    secrets.write_text(json.dumps({name: {"LIXIAO_DATABASE": database} for name in ("library", "dorm")}))
    found = await asked({"LIXIAO_DATABASES": str(secrets)}, "of-student", typed="TS20260001\n")
    assert [(one["service"], one["act"]) for one in found][:2] == [("library", "desk.pay"), ("dorm", "desk.pay")]
