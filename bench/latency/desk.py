"""Changes at a department's desk by HTTP, at a fixed rate, and when each was committed."""

import json
import time
from typing import Final
from uuid import uuid4

from bench.http_load import Connections
from deploy.local.installation import Installation

DEPARTMENT: Final = "library"
Change = tuple[str, int]
"""(student id, version)."""


def due_at(changes: int, per_s: float) -> list[float]:
    """When each is to be sent, from now on."""
    start = time.time() + 0.5
    return [start + number / per_s for number in range(changes)]


class Desk:
    """At this rate httpx costs more than the desk."""

    def __init__(self, installation: Installation) -> None:
        self.connections = Connections(installation.address(DEPARTMENT))
        self._authorization = installation.client(DEPARTMENT).headers["Authorization"]

    async def note_violation(self, student_id: str) -> int:
        """Returns the status version."""
        body = {"student_id": student_id, "violation_id": f"V-{uuid4().hex[:12]}", "text": "在书上涂写"}
        headers = {"Authorization": self._authorization, "Idempotency-Key": str(uuid4())}
        answer = await self.connections.post("/operations/violation", headers, json.dumps(body).encode())
        return int(json.loads(answer)["status_version"])


async def committed_at(installation: Installation) -> dict[Change, float]:
    """The instant of each change's audit entry, shortly before its commit."""
    connection = await installation.database(DEPARTMENT)
    rows = await connection.fetch(
        "SELECT student_id, at, details FROM audit.entry WHERE act = 'desk.violation' AND outcome = 'changed'"
    )
    return {(row["student_id"], json.loads(row["details"])["version"]): row["at"].timestamp() for row in rows}
