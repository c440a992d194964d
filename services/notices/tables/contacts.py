"""Where students are written to: an address by channel, the language, and what they do not want."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

from services.kit.message_format import Language
from services.kit.postgres.pool import Connection
from services.notices.news.channels import CHANNELS, Channel
from services.notices.news.reminding import Reach


@dataclass(frozen=True, slots=True)
class Contact:
    """No address is in the representation, and so in logs."""

    mail: str | None = field(default=None, repr=False)
    wecom: str | None = field(default=None, repr=False)
    dingtalk: str | None = field(default=None, repr=False)
    language: Language = "zh"
    muted: tuple[str, ...] = ()
    own: bool = False

    def address(self, channel: Channel) -> str | None:
        """None also for a channel that the student does not want."""
        if channel in self.muted:
            return None
        return {"mail": self.mail, "wecom": self.wecom, "dingtalk": self.dingtalk}[channel]

    def reach(self, configured: Collection[Channel]) -> Reach:
        """By the configured channels."""
        if self.channels(configured):
            return "reached"
        own = {"mail": self.mail, "wecom": self.wecom, "dingtalk": self.dingtalk}
        return "unwanted" if any(own[each] for each in configured) else "no-address"

    def channels(self, configured: Collection[Channel]) -> tuple[Channel, ...]:
        return tuple(each for each in CHANNELS if each in configured and self.address(each))


async def contact_of(connection: Connection, student_id: str) -> Contact | None:
    row = await connection.fetchrow(_FIND, student_id)
    return _contact(row) if row else None


async def contacts_of(connection: Connection, student_ids: Collection[str]) -> dict[str, Contact]:
    """Of those that have one."""
    rows = await connection.fetch(_FIND_MANY, list(student_ids))
    return {row["student_id"]: _contact(row) for row in rows}


def _contact(row: Any) -> Contact:
    language: Language = "en" if row["language"] == "en" else "zh"
    return Contact(row["mail"], row["wecom"], row["dingtalk"], language, tuple(row["muted"]), row["own"])


async def keep(connection: Connection, student_id: str, contact: Contact) -> bool:
    """Whether it was kept: a file's replaces no student's own."""
    return bool(
        await connection.fetchval(
            _KEEP,
            student_id,
            contact.mail,
            contact.wecom,
            contact.dingtalk,
            contact.language,
            list(contact.muted),
            contact.own,
        )
    )


_FIND: Final = "SELECT mail, wecom, dingtalk, language, muted, own FROM contact WHERE student_id = $1"
_FIND_MANY: Final = """
SELECT student_id, mail, wecom, dingtalk, language, muted, own FROM contact WHERE student_id = ANY($1)
"""
_KEEP: Final = """
INSERT INTO contact AS kept (student_id, mail, wecom, dingtalk, language, muted, own)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (student_id) DO UPDATE SET mail = excluded.mail, wecom = excluded.wecom, dingtalk = excluded.dingtalk,
    language = excluded.language, muted = excluded.muted, own = excluded.own, changed_at = now()
WHERE excluded.own OR NOT kept.own
RETURNING true
"""
