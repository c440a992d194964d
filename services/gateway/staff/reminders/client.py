"""Reminders at the notice service, over HTTP: who would be reached, and what became of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError

from services.gateway.staff.desk.desk_client import DeskClient
from services.gateway.staff.reminders.answers import Preview, Result
from services.gateway.staff.reminders.due import Lines

MAX_STUDENTS: Final = 2_000
"""Of one press."""
_TIMEOUT_S: Final = 20.0
A = TypeVar("A", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class ReminderClient:
    """Methods raise `DeskUnavailable` and `DeskRefused`. `person`: of the staff, for the audit there."""

    notices: DeskClient

    @property
    def is_configured(self) -> bool:
        return self.notices.desk is not None

    async def preview(self, person: str, meant: Mapping[str, Lines]) -> Preview:
        """`meant`: by student, at most `MAX_STUDENTS`."""
        if not meant:
            return Preview()
        students = [{"student_id": one, "checks": lines} for one, lines in meant.items()]
        return await self._ask("/reminders/preview", person, {"students": students}, Preview)

    async def result(self, person: str, reminder_id: UUID) -> Result:
        return await self._ask("/reminders/query", person, {"reminder_id": str(reminder_id)}, Result)

    async def _ask(self, path: str, person: str, body: Mapping[str, Any], model: type[A]) -> A:
        answer = await self.notices.send("POST", path, person, body, timeout_s=_TIMEOUT_S)
        try:
            return model.model_validate_json(answer.content)
        except ValidationError as error:
            raise self.notices.unreadable(error) from None
