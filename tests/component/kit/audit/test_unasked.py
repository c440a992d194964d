"""Commands that nobody's session asked for are found by the audits of gateway and receiver, whatever the thief has."""

import asyncio
import json
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner

from services.kit.audit import log, unasked
from services.kit.audit.__main__ import app
from services.kit.audit.unasked import NOT_ITS_SESSION, OTHER, UNKNOWN
from services.kit.postgres.migrations import KIT_MIGRATIONS, migrate
from tests.support.servers.fixtures import DatabaseMaker

STUDENT, ANOTHER = "TS20260001", "TS20260002"


class Audits:
    """Of three services; entries of a student by default."""

    def __init__(self, dsns: dict[str, str], secrets: Path) -> None:
        self._dsns, self._secrets = dsns, secrets
        secrets.write_text(json.dumps({name: {"LIXIAO_DATABASE": dsn} for name, dsn in dsns.items()}))

    async def add(self, service: str, act: str, outcome: str, student_id: str = STUDENT, **details: str) -> None:
        connection = await asyncpg.connect(self._dsns[service])
        await log.append_entry(
            connection, actor="student", act=act, outcome=outcome, student_id=student_id, details=details
        )
        await connection.close()

    async def session(self, handle: str, key: str = "") -> None:
        await self.add("gateway", "session.start", "started", session=handle, **({"key": key} if key else {}))

    async def asked(self, command: str, name: str = "submit", session: str = "s-1", student_id: str = STUDENT) -> None:
        await self.add("gateway", "command.ask", "asked", student_id, command=command, name=name, session=session)

    async def submitted(self, command: str, key: str = "key-1", student_id: str = STUDENT) -> None:
        shown = {"session_key": key} if key else {}
        await self.add("clearance", "submission.ask", "opened", student_id, attempt=command, **shown)

    async def found(self) -> list[tuple[str, str]]:
        """Command and what is wrong with it; the exit code agrees."""
        environment = {"LIXIAO_DATABASES": str(self._secrets)}
        done = await asyncio.to_thread(CliRunner().invoke, app, ["unasked"], env=environment)
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        assert done.exit_code == bool(lines), done.output
        return [(line.get("command") or line["attempt"], line["problem"]) for line in lines]


@pytest.fixture
async def audits(database: str, make_database: DatabaseMaker, tmp_path: Path) -> Audits:
    dsns = {"gateway": database, "clearance": await make_database("clearance"), "library": await make_database("desk")}
    for dsn in dsns.values():
        await migrate(dsn, [KIT_MIGRATIONS / "audit"])
    return Audits(dsns, tmp_path / "secrets.json")


async def test_a_command_that_no_session_asked_for_is_found(audits: Audits) -> None:
    await audits.submitted("from before the gateway's audit had commands")
    await audits.session("s-1", "key-1")
    await audits.asked("c-1")
    await audits.asked("c-3", "library.cancel-card")
    await audits.add("gateway", "certificate.ask", "asked", command="c-2", session="s-1")
    await audits.add("gateway", "certificate.ask", "unconfirmed", form="f-1")
    await audits.add("gateway", "certificate.ask-undo", "asked", command="c-4", session="s-1")
    await audits.add("gateway", "reminder.ask", "asked", command="c-5", session="s-1")
    await audits.submitted("c-1")
    await audits.add("library", "reminder.take", "recent", command="c-5", session_key="key-1")
    await audits.add("clearance", "certificate.issue", "issued", command="c-2", session_key="key-1")
    await audits.add("clearance", "certificate.undo", "undone", command="c-4", session_key="key-1")
    await audits.add("clearance", "submission.accept", "accepted", attempt="no command at all")
    await audits.add("library", "command.cancel-card", "done", command="c-3", session_key="key-1")
    assert await audits.found() == []
    await audits.submitted("forged-1")
    await audits.add("clearance", "certificate.issue", "issued", command="forged-2", session_key="key-1")
    assert await audits.found() == [("forged-1", UNKNOWN), ("forged-2", UNKNOWN)]


async def test_the_id_of_a_real_command_does_not_hide_another_one(audits: Audits) -> None:
    await audits.session("s-1", "key-1")
    await audits.asked("c-1")
    await audits.submitted("c-1")
    await audits.add("library", "command.cancel-card", "done", command="c-1", session_key="key-1")
    await audits.submitted("c-1", student_id=ANOTHER)
    assert await audits.found() == [("c-1", OTHER), ("c-1", OTHER)]


async def test_a_command_entered_into_the_gateways_audit_too_does_not_show_the_sessions_key(audits: Audits) -> None:
    await audits.session("s-1", "key-1")
    await audits.asked("forged")
    await audits.submitted("forged", key="key-of-the-thief")
    await audits.asked("without", session="s-1")
    await audits.submitted("without", key="")
    assert await audits.found() == [("forged", NOT_ITS_SESSION), ("without", NOT_ITS_SESSION)]


async def test_a_command_asked_again_in_another_session_shows_either(audits: Audits) -> None:
    await audits.session("s-1", "key-1")
    await audits.session("s-2", "key-2")
    for session in ("s-1", "s-2"):
        await audits.add("gateway", "certificate.ask", "asked", command="c-2", session=session)
    await audits.asked("c-0")
    await audits.add("clearance", "certificate.issue", "issued", command="c-2", session_key="key-1")
    assert await audits.found() == []


async def test_a_session_from_before_keys_were_audited_counts_until_none_can_be_left(
    audits: Audits, monkeypatch: pytest.MonkeyPatch
) -> None:
    await audits.session("s-0")
    await audits.session("s-1", "key-1")
    await audits.asked("c-1", session="s-0")
    await audits.submitted("c-1", key="")
    assert await audits.found() == []
    monkeypatch.setattr(unasked, "_LONGEST_SESSION", unasked._LONGEST_SESSION * 0)
    assert await audits.found() == [("c-1", NOT_ITS_SESSION)]
