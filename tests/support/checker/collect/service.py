"""What every service's database has: journal, outbox, dead letters, offsets and audit."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from schemas.codec import open_envelope, read
from schemas.events import Message, StatusChanged
from services.kit.audit.chain import verify
from services.kit.postgres.pool import Connection
from tests.support.checker.evidence.facts import Fact, OutboxInsert, RecordWrite
from tests.support.checker.evidence.tables import AuditEntry, OpenDeadLetter, ServiceTables

HEX: Final = "\\x"
Connect = Callable[[str], AbstractAsyncContextManager[Connection]]
"""A service's name → a connection to its database."""

# Heads of the audit come by the clock, also after everything has come to rest.
_WAITING: Final = "SELECT count(*) FROM outbox WHERE topic NOT LIKE '%.audit.v1'"


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
        tuple(_status_after_record(journal)),
        await connection.fetchval(_WAITING),
        tuple(
            OpenDeadLetter(row["consumer"], row["topic"], row["value"] or b"", row["reason"]) for row in dead_letters
        ),
        {(row["consumer"], row["topic"], row["partition"]): row["next_offset"] for row in offsets},
        await _audit(connection),
        (await verify(connection)).problems,
    )


def _status_after_record(journal: Sequence[Fact]) -> Iterator[Fact]:
    """A record and its status are stored by one statement, whose triggers fire for the outbox first."""
    written: set[tuple[int, str, int]] = set()
    waiting: dict[tuple[int, str, int], Fact] = {}
    for fact in journal:
        if isinstance(fact, OutboxInsert) and isinstance(fact.event, StatusChanged):
            status = (fact.tx, fact.event.student_id, fact.event.version)
            if status not in written:
                waiting[status] = fact
                continue
        yield fact
        if isinstance(fact, RecordWrite):
            status = (fact.tx, fact.student_id, fact.version)
            written.add(status)
            if status in waiting:
                yield waiting.pop(status)
    yield from waiting.values()


async def _audit(connection: Connection) -> tuple[AuditEntry, ...]:
    rows = await connection.fetch("SELECT act, outcome, student_id, details FROM audit.entry")
    return tuple(
        AuditEntry(row["act"], row["outcome"], row["student_id"] or "", json.loads(row["details"])) for row in rows
    )


def _posted(tx: int, said: Mapping[str, Any]) -> OutboxInsert:
    value = bytes.fromhex(said["value"].removeprefix(HEX))
    event: Message = read(value)
    return OutboxInsert(tx, said["topic"], str(open_envelope(value).id), event)
