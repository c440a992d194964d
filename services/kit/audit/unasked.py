"""Commands that services acted upon and that no session of the gateway asked for: somebody sent them in its name."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Final

from services.kit.audit.trail import AuditEntry, entry_of
from services.kit.postgres.pool import Connection

_ASKED: Final = """
SELECT details::json ->> 'command' FROM audit.entry
WHERE act IN ('command.ask', 'certificate.ask', 'certificate.ask-undo') AND outcome = 'asked'
"""
_FIRST_ASKED: Final = "SELECT min(at) FROM audit.entry WHERE act = 'command.ask'"
# A submission goes by its attempt, whose id is the command's.
_ACTED: Final = """
SELECT at, actor, act, outcome, student_id, details FROM audit.entry
WHERE (act IN ('submission.ask', 'certificate.issue', 'certificate.undo') OR act LIKE 'command.%') AND at > $1
ORDER BY entry_id
"""


async def asked(gateway: Connection) -> tuple[set[str], datetime | None]:
    """Ids of commands, and since when they are in its audit."""
    rows = await gateway.fetch(_ASKED)
    return {row[0] for row in rows}, await gateway.fetchval(_FIRST_ASKED)


async def unasked(service: Connection, known: set[str], since: datetime) -> AsyncIterator[AuditEntry]:
    async with service.transaction():
        async for row in service.cursor(_ACTED, since):
            entry = entry_of(row)
            if _command(entry.details) not in known:
                yield entry


def _command(details: dict[str, Any]) -> str:
    return str(details.get("command") or details.get("attempt"))
