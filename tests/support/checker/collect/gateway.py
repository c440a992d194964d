"""The gateway's commands and journal."""

from typing import Any

from services.kit.postgres.pool import Connection
from tests.support.checker.collect.service import service_tables
from tests.support.checker.evidence.facts import CommandWrite, Fact
from tests.support.checker.evidence.tables import Command, GatewayTables


async def gateway_tables(connection: Connection) -> GatewayTables:
    commands = await connection.fetch("SELECT command_id, student_id, department, name, state FROM command")
    return GatewayTables(
        await service_tables(connection, _gateway_fact),
        {
            str(row["command_id"]): Command(row["student_id"], row["department"], row["name"], row["state"])
            for row in commands
        },
    )


def _gateway_fact(row: Any, said: dict[str, Any]) -> Fact | None:
    return CommandWrite(
        row["tx"],
        said["student_id"],
        said["command_id"],
        said["department"],
        said["name"],
        said["state"],
        said["forms_before"],
    )
