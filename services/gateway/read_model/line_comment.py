"""What a student said is wrong about a check, and the department's answer. Pure."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class LineComment:
    """`answer` is empty while it is open."""

    comment_id: UUID
    department: str
    check: str
    text: str
    asked_at: datetime
    answer: str = ""
    answered_at: datetime | None = None
    answered_by: str = ""

    @property
    def open(self) -> bool:
        return self.answered_at is None
