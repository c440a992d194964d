"""What services answer an operator."""

from datetime import datetime
from typing import Final

from pydantic import Field

from schemas.events import StatusChanged
from services.gateway.staff.desk.desk_answers import DeskAnswer, HistoryEntry

_TRACE_ID_DIGITS: Final = 32


class Probe(DeskAnswer):
    ok: bool
    detail: str | None = None


class Health(DeskAnswer):
    """`checks` and `warnings` by name."""

    status: str
    checks: dict[str, Probe] = Field(default_factory=dict)
    warnings: dict[str, str] = Field(default_factory=dict)

    @property
    def failing(self) -> tuple[tuple[str, str], ...]:
        return tuple((name, one.detail or "") for name, one in self.checks.items() if not one.ok)


class DeadLetter(DeskAnswer):
    id: int
    consumer: str
    topic: str
    partition: int
    offset: int
    reason: str
    stored_at: datetime
    ended_at: datetime | None = None
    ended_how: str | None = None
    ended_by: str | None = None
    ended_why: str | None = None


class DeadLetters(DeskAnswer):
    dead_letters: tuple[DeadLetter, ...]
    next_after: int | None = None


class DeadLetterContent(DeskAnswer):
    """Personal data."""

    dead_letter: DeadLetter
    key: str | None = None
    value: str | None = None
    headers: dict[str, str | None] = Field(default_factory=dict)

    @property
    def trace_id(self) -> str:
        """Empty if the record has none."""
        parts = (self.headers.get("traceparent") or "").split("-")
        return parts[1] if len(parts) == 4 and len(parts[1]) == _TRACE_ID_DIGITS else ""


class Finding(DeskAnswer):
    """`differing`: comparisons in a row that differed."""

    department: str
    partition: int
    compared_at: datetime
    published: int
    viewed: int
    differing: int


class Published(DeskAnswer):
    """What a department has published about a student."""

    status: StatusChanged | None = None
    unsent: int = 0
    entries: tuple[HistoryEntry, ...] = ()


class FormKey(DeskAnswer):
    """One without `retired_at` signs; a retired one still verifies, a revoked one does not."""

    kid: str
    created_at: datetime
    retired_at: datetime | None = None
    revoked_at: datetime | None = None
    has_private: bool = True
