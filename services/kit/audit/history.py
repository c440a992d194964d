"""What was done about a student, from the audit, as an API answers it."""

from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from services.kit.audit.log import append_look_up, entries_of
from services.kit.postgres.pool import Connection

_NEWEST: Final = 100


class HistoryEntry(BaseModel):
    model_config = ConfigDict(frozen=True)

    entry_id: int
    at: datetime
    actor: str = Field(description="Principal; with a person, `principal: person`.")
    act: str = Field(examples=["desk.loan"])
    outcome: str = Field(description="`changed`, `unchanged`, `refused`, `held` or `outdated`; of other acts, theirs.")
    details: dict[str, Any]


class History(BaseModel):
    """The newest 100 entries, newest first, without those of who looked."""

    model_config = ConfigDict(frozen=True)

    entries: tuple[HistoryEntry, ...]


async def history_of(connection: Connection, student_id: str, *, asked_by: str, act: str) -> History:
    """That it was asked for is an entry too."""
    await append_look_up(connection, actor=asked_by, act=act, students=[student_id])
    found = await entries_of(connection, student_id, limit=_NEWEST)
    return History(entries=tuple(HistoryEntry(**one) for one in found))
