"""Commands are asked at the database's clock: two gateways whose clocks differ agree on which is the newest."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.local.installation import new_student_id
from schemas.topics import Topics
from services.gateway.migration_folders import GATEWAY_FOLDERS
from services.gateway.read_model.types import CommandState
from services.gateway.tables import commands
from services.gateway.tables.commands import StudentCommandTable
from services.kit.messaging.outbox import Wakeup
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import open_pool
from tests.support.gateway.sessions import session_of_person


class Ahead:
    @staticmethod
    def now(tz: Any = None) -> datetime:
        return datetime.now(tz or UTC) + timedelta(minutes=5)

    fromisoformat = datetime.fromisoformat


async def test_the_command_after_a_refused_one_is_the_newest_whichever_gateway_took_it(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(database, GATEWAY_FOLDERS)
    async with await open_pool(database, name="gateway") as pool:
        table = StudentCommandTable(pool, Topics("test"), Wakeup())
        student_id = new_student_id()
        with monkeypatch.context() as ahead:
            ahead.setattr(commands, "datetime", Ahead)
            first = await table.request(session_of_person(student_id), "", "submit")
        await pool.execute("UPDATE command SET state = 'refused', ended_at = now() WHERE true")
        second = await table.request(session_of_person(student_id), "", "submit")
        (newest,) = await table.newest(student_id)
        assert (newest.command_id, newest.state) == (second.command_id, CommandState.ASKED)
        assert second.command_id != first.command_id
