"""Proposals in PostgreSQL, in the caller's transaction."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from services.kit.http.requests.idempotency import IdempotencyKey
from services.kit.postgres.pool import Connection

MAX_PAGE: Final = 200


class ProposalState(StrEnum):
    OPEN = "open"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    """Open past its end; never stored."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """`ended_…` are None while open and when expired; `ended_why` belongs to a rejection.

    `persons`: how many decide; of 1 it was confirmed when it was made.
    """

    proposal_id: int
    action: str
    student_id: str
    body: dict[str, Any]
    reason: str
    persons: int
    state: ProposalState
    proposed_by: str
    proposed_at: datetime
    expires_at: datetime
    ended_by: str | None
    ended_at: datetime | None
    ended_why: str | None


_STATE: Final = "CASE WHEN state = 'open' AND expires_at <= clock_timestamp() THEN 'expired' ELSE state END"
_COLUMNS: Final = (
    f"proposal_id, action, student_id, body::text AS body, reason, persons, {_STATE} AS state, proposed_by,"
    " proposed_at, expires_at, ended_by, ended_at, ended_why"
)


async def add(
    connection: Connection,
    key: IdempotencyKey,
    *,
    action: str,
    student_id: str,
    body: dict[str, Any],
    reason: str,
    persons: int,
    life_s: float,
) -> Proposal | None:
    """None if the principal has used the key. One person's proposal is stored confirmed."""
    row = await connection.fetchrow(
        f"""
        INSERT INTO proposal (action, student_id, body, reason, persons, state, proposed_by, proposed_at, expires_at,
                              ended_by, ended_at, request_key, fingerprint)
        SELECT $1, $2, $3, $4, $5::int, CASE $5::int WHEN 1 THEN 'confirmed' ELSE 'open' END, $6::text, at,
               at + make_interval(secs => $7), CASE $5::int WHEN 1 THEN $6::text END,
               CASE $5::int WHEN 1 THEN at END, $8, $9
        FROM clock_timestamp() AS at
        ON CONFLICT (proposed_by, request_key) DO NOTHING RETURNING {_COLUMNS}
        """,
        action,
        student_id,
        json.dumps(body, ensure_ascii=False),
        reason,
        persons,
        key.principal,
        life_s,
        key.key,
        key.fingerprint,
    )
    return _proposal(row) if row else None


async def by_key(connection: Connection, key: IdempotencyKey) -> tuple[Proposal, bytes] | None:
    """The proposal made with the key, and its fingerprint."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS}, fingerprint FROM proposal WHERE proposed_by = $1 AND request_key = $2",
        key.principal,
        key.key,
    )
    return (_proposal(row), row["fingerprint"]) if row else None


async def find(connection: Connection, proposal_id: int) -> Proposal | None:
    return await _read(connection, proposal_id, "")


async def lock(connection: Connection, proposal_id: int) -> Proposal | None:
    """The student's case is locked before."""
    return await _read(connection, proposal_id, "FOR UPDATE")


async def end(
    connection: Connection, proposal_id: int, state: ProposalState, *, by: str, why: str | None = None
) -> Proposal:
    """The caller holds it locked and open."""
    row = await connection.fetchrow(
        f"""
        UPDATE proposal SET state = $2, ended_by = $3, ended_at = clock_timestamp(), ended_why = $4
        WHERE proposal_id = $1 RETURNING {_COLUMNS}
        """,
        proposal_id,
        state,
        by,
        why,
    )
    assert row is not None, "the caller holds the proposal locked"
    return _proposal(row)


async def page(
    connection: Connection,
    actions: Iterable[str],
    *,
    state: ProposalState | None = None,
    student_id: str | None = None,
    after: int = 0,
    limit: int = 50,
) -> tuple[list[Proposal], int | None]:
    """Ordered by id; with the next page's `after`."""
    rows = await connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM proposal
        WHERE proposal_id > $1 AND action = ANY($2::text[]) AND ($3::text IS NULL OR {_STATE} = $3)
          AND ($4::text IS NULL OR student_id = $4)
        ORDER BY proposal_id LIMIT $5
        """,
        after,
        sorted(actions),
        state,
        student_id,
        limit + 1,
    )
    found = [_proposal(row) for row in rows[:limit]]
    return found, found[-1].proposal_id if len(rows) > limit else None


async def _read(connection: Connection, proposal_id: int, locking: str) -> Proposal | None:
    row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM proposal WHERE proposal_id = $1 {locking}", proposal_id)
    return _proposal(row) if row else None


def _proposal(row: Any) -> Proposal:
    fields = {name: row[name] for name in Proposal.__dataclass_fields__}
    return Proposal(**{**fields, "body": json.loads(row["body"]), "state": ProposalState(row["state"])})
