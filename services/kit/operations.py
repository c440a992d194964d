"""Request bodies of desk operations, and their two refusals. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from schemas.events import Reason
from services.kit.student_numbers import StudentNumber


class ItemBody(BaseModel):
    """Names no student: an item does."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True)


class OperationBody(ItemBody):
    """The student id is in the body because URLs are logged."""

    student_id: StudentNumber


class StudentQuery(OperationBody):
    pass


class Remedy(NamedTuple):
    """What to do about a refusal."""

    zh: str
    en: str

    def __str__(self) -> str:
        return f"{self.zh} {self.en}"


class Refused(Exception):
    """A rule forbids it; nothing was changed."""

    def __init__(self, reason: Reason, *, field: str | None = None, remedy: Remedy | None = None) -> None:
        super().__init__(reason.code)
        self.reason = reason
        self.field = field
        self.remedy = remedy


class Held(Exception):
    """A submission is being decided, and the change would block it, by these checks."""

    def __init__(self, blocked: Iterable[str] = ()) -> None:
        super().__init__()
        self.blocked = frozenset(blocked)


class StillReading(Held):
    """As by a hold: the service has not read yet what was asked before it started."""
