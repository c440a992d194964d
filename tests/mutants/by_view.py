"""What the mutant "view-only gate" accepts by: the view's words, dressed up as attestations."""

import json

from schemas.events import AttestationGiven, AttestationOutcome, SubmitAsked
from services.kit.postgres.pool import Connection


async def attested_by_view(connection: Connection, event: SubmitAsked) -> dict[str, AttestationGiven]:
    """Department → its clear word in the view."""
    rows = await connection.fetch(
        "SELECT department, version, status FROM status WHERE student_id = $1 AND version > 0", event.student_id
    )
    words = {row["department"]: (row["version"], json.loads(row["status"])["checks"]) for row in rows}
    return {
        name: AttestationGiven(
            attempt_id=event.command_id,
            student_id=event.student_id,
            department=name,
            outcome=AttestationOutcome.CLEAR,
            version=version,
            checks=checks,
            attested_at=event.asked_at,
        )
        for name, (version, checks) in words.items()
        if all(check["verdict"] == "clear" for check in checks)
    }
