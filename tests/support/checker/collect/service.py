"""What every service's database has: journal, outbox, dead letters, offsets and audit."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from schemas.codec import open_envelope, read
from schemas.events import Message
from services.kit.audit.chain import verify
from services.kit.postgres.pool import Connection
from tests.support.checker.evidence.facts import Fact, OutboxInsert
from tests.support.checker.evidence.tables import AuditEntry, OpenDeadLetter, ServiceTables

HEX: Final = "\\x"
Connect = Callable[[str], AbstractAsyncContextManager[Connection]]
"""A service's name → a connection to its database."""


async def service_tables(connection: Connection, fact: Callable[[Any, dict[str, Any]], Fact | None]) -> ServiceTables:
    """`fact` reads a row of the trigger log that is not the outbox's; None for one that says nothing."""
    journal: list[Fact] = []
    for row in await connection.fetch("SELECT tx, what, how, said FROM trigger_log.change ORDER BY seq"):
        said = json.loads(row["said"])
        one = _posted(row["tx"], said) if row["what"] == "outbox" else fact(row, said)
        if one is not None:
            journal.append(one)
    dead_letters = await connection.fetch(
        "SELECT consumer, topic, value, reason FROM dead_letter WHERE ended_at IS NULL"
    )
    offsets = await connection.fetch("SELECT consumer, topic, partition, next_offset FROM consumer_offset")
    return ServiceTables(
        tuple(journal),
        await connection.fetchval("SELECT count(*) FROM outbox"),
        tuple(
            OpenDeadLetter(row["consumer"], row["topic"], row["value"] or b"", row["reason"]) for row in dead_letters
        ),
        {(row["consumer"], row["topic"], row["partition"]): row["next_offset"] for row in offsets},
        await _audit(connection),
        (await verify(connection)).problems,
    )


async def _audit(connection: Connection) -> tuple[AuditEntry, ...]:
    rows = await connection.fetch("SELECT act, outcome, student_id, details FROM audit.entry")
    return tuple(
        AuditEntry(row["act"], row["outcome"], row["student_id"] or "", json.loads(row["details"])) for row in rows
    )


def _posted(tx: int, said: Mapping[str, Any]) -> OutboxInsert:
    value = bytes.fromhex(said["value"].removeprefix(HEX))
    event: Message = read(value)
    return OutboxInsert(tx, said["topic"], str(open_envelope(value).id), event)
