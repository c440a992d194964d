"""Commands that services acted upon and that no session of the gateway asked for: somebody sent them in its name.

Three databases' audits agree about a command, or it is named: what was asked, in which session, and that session's key
are the gateway's; what was done, and the key that the command's proof was verified with, the other service's.
"""

from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from services.kit.audit.trail import AuditEntry, entry_of
from services.kit.postgres.pool import Connection

_ASKED: Final = """
SELECT at, actor, act, outcome, student_id, details FROM audit.entry
WHERE act IN ('command.ask', 'certificate.ask', 'certificate.ask-undo', 'reminder.ask') AND outcome = 'asked'
ORDER BY entry_id
"""
_SESSION_KEYS: Final = """
SELECT at, details::json ->> 'session' AS session, details::json ->> 'key' AS key FROM audit.entry
WHERE act = 'session.start' AND details::json ->> 'key' IS NOT NULL ORDER BY entry_id
"""
# A submission goes by its attempt, whose id is the command's.
_ACTED: Final = """
SELECT at, actor, act, outcome, student_id, details FROM audit.entry
WHERE (act IN ('submission.ask', 'certificate.issue', 'certificate.undo', 'reminder.take') OR act LIKE 'command.%')
  AND at > $1
ORDER BY entry_id
"""
_ASKED_AS: Final = {
    "certificate.ask": "certificate.issue",
    "certificate.ask-undo": "certificate.undo",
    "reminder.ask": "reminder.take",
}
_LONGEST_SESSION: Final = timedelta(days=7)

UNKNOWN: Final = "no session asked for it"
OTHER: Final = "a session asked for something else under this id"
NOT_ITS_SESSION: Final = "it does not show the session that asked for it"


@dataclass(frozen=True, slots=True)
class _Asking:
    what: str
    student_id: str | None
    session: str
    at: datetime


@dataclass(slots=True)
class AskedCommands:
    """What the gateway's audit knows."""

    commands: dict[str, list[_Asking]] = field(default_factory=lambda: defaultdict(list))
    keys: dict[str, str] = field(default_factory=dict)
    first: datetime | None = None
    """Since when commands are in it."""
    first_key: datetime | None = None

    def problem(self, service: str, entry: AuditEntry) -> str | None:
        """What is wrong with an entry of `service` about a command it acted upon."""
        found = self.commands.get(_command(entry.details), ())
        if not found:
            return UNKNOWN
        same = [one for one in found if (one.what, one.student_id) == (_what(service, entry.act), entry.student_id)]
        if not same:
            return OTHER
        return None if any(self._shows(entry, one) for one in same) else NOT_ITS_SESSION

    def _shows(self, entry: AuditEntry, asking: _Asking) -> bool:
        key = self.keys.get(asking.session)
        if key is None:
            # Of a session from before keys were in the audit, none of which is left by then.
            return self.first_key is None or asking.at < self.first_key + _LONGEST_SESSION
        return bool(entry.details.get("session_key") == key)


async def asked_commands(gateway: Connection) -> AskedCommands:
    known = AskedCommands()
    async with gateway.transaction():
        async for row in gateway.cursor(_ASKED):
            entry = entry_of(row)
            what = _ASKED_AS.get(entry.act) or str(entry.details.get("name"))
            asking = _Asking(what, entry.student_id, str(entry.details.get("session") or ""), entry.at)
            known.commands[str(entry.details["command"])].append(asking)
            if entry.act == "command.ask" and known.first is None:
                known.first = entry.at
        async for row in gateway.cursor(_SESSION_KEYS):
            known.keys[row["session"]] = row["key"]
            known.first_key = known.first_key or row["at"]
    return known


async def unasked(
    connection: Connection, service: str, known: AskedCommands, since: datetime
) -> AsyncIterator[tuple[AuditEntry, str]]:
    """Entries of `service`, and what is wrong with each."""
    async with connection.transaction():
        async for row in connection.cursor(_ACTED, since):
            entry = entry_of(row)
            problem = known.problem(service, entry)
            if problem is not None:
                yield entry, problem


def _command(details: dict[str, Any]) -> str:
    return str(details.get("command") or details.get("attempt"))


def _what(service: str, act: str) -> str:
    """As the gateway's audit has it."""
    area, _, name = act.partition(".")
    if area == "command":
        return f"{service}.{name}"
    return "submit" if act == "submission.ask" else act
