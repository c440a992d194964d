"""Entries of one database's audit by what they say, newest first, each with what its seal shows of it."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from services.kit.audit.chain import INITIAL_HASH, chain_hash
from services.kit.audit.trail import BY_ACTOR, AuditEntry, entry_of
from services.kit.postgres.pool import Connection

MAX_PAGE: Final = 500
_FOUND: Final = """
SELECT entry.entry_id, entry.at, entry.actor, entry.act, entry.outcome, entry.student_id, entry.details,
       seal.seq, seal.hash, last.hash AS last_hash
FROM (SELECT * FROM audit.entry WHERE {where} ORDER BY entry_id DESC LIMIT {limit}) AS entry
LEFT JOIN audit.seal USING (entry_id)
LEFT JOIN audit.seal AS last ON last.seq = seal.seq - 1
ORDER BY entry.entry_id DESC
"""


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Each narrows; None does not. `act`: itself and those below it (`desk` finds `desk.return`). `until` is excluded.

    `actor`: as the audit has it, or the account behind `gateway: …`.
    """

    since: datetime | None = None
    until: datetime | None = None
    act: str | None = None
    actor: str | None = None
    student_id: str | None = None
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class FoundEntry(AuditEntry):
    """`seal`: its number in the chain, None before it is sealed. `intact`: the seal fits entry and last seal."""

    entry_id: int
    seal: int | None
    intact: bool | None


async def found(
    connection: Connection, wanted: AuditFilter, *, before: int | None = None, limit: int
) -> list[FoundEntry]:
    """Of entries older than `before`, an entry's id."""
    values: list[Any] = []

    def given(value: object) -> str:
        values.append(value)
        return f"${len(values)}"

    where = ["true"]
    if before is not None:
        where.append(f"entry_id < {given(before)}")
    if wanted.since is not None:
        where.append(f"at >= {given(wanted.since)}")
    if wanted.until is not None:
        where.append(f"at < {given(wanted.until)}")
    if wanted.act is not None:
        act = given(wanted.act)
        where.append(f"(act = {act} OR starts_with(act, {act} || '.'))")
    if wanted.actor is not None:
        where.append(BY_ACTOR.format(given(wanted.actor)))
    if wanted.student_id is not None:
        where.append(f"student_id = {given(wanted.student_id)}")
    if wanted.outcome is not None:
        where.append(f"outcome = {given(wanted.outcome)}")
    rows = await connection.fetch(_FOUND.format(where=" AND ".join(where), limit=given(limit)), *values)
    return [_entry(row) for row in rows]


def _entry(row: Any) -> FoundEntry:
    return FoundEntry(**asdict(entry_of(row)), entry_id=row["entry_id"], seal=row["seq"], intact=_intact(row))


def _intact(row: Any) -> bool | None:
    if row["seq"] is None:
        return None
    last = INITIAL_HASH if row["seq"] == 1 else row["last_hash"]
    return last is not None and chain_hash(last, row) == row["hash"]
