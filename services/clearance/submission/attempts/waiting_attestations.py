"""Attestations whose attempt is not open yet, in the caller's transaction.

Commands and attestations are on topics of their own: a clearance whose database was restored reads them in any order.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final
from uuid import UUID

from schemas.events import AttestationGiven
from services.kit.postgres.pool import Connection

KEPT: Final = timedelta(days=1)
"""No backlog of commands is read for longer."""


async def keep(connection: Connection, event: AttestationGiven) -> None:
    await connection.execute(
        """
        INSERT INTO waiting_attestation AS known (attempt_id, department, student_id, said)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (attempt_id, department)
        DO UPDATE SET said = excluded.said, student_id = excluded.student_id WHERE $5
        """,
        event.attempt_id,
        event.department,
        event.student_id,
        event.model_dump_json(),
        event.ended is not None,
    )


async def take(connection: Connection, attempt_ids: Iterable[UUID]) -> list[AttestationGiven]:
    """Remove those of these attempts."""
    rows = await connection.fetch(
        "DELETE FROM waiting_attestation WHERE attempt_id = ANY($1::uuid[]) RETURNING said", list(attempt_ids)
    )
    return [AttestationGiven.model_validate_json(row["said"]) for row in rows]


async def delete_old(connection: Connection) -> None:
    await connection.execute(
        "DELETE FROM waiting_attestation WHERE received_at < clock_timestamp() - $1::interval", KEPT
    )
