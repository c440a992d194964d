"""The roster over HTTP, for a person: the clearance has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import ValidationError

from services.gateway.staff.desk.desk_answers import History, HistoryEntry
from services.gateway.staff.desk.desk_client import DeskClient, DeskRefused
from services.gateway.staff.roster.answers import RosterCase


@dataclass(frozen=True, slots=True)
class RosterClient:
    """Methods raise `DeskUnavailable` and `DeskRefused`. `person` is what the audit names."""

    desk: DeskClient

    async def case(self, person: str, student_id: str) -> RosterCase | None:
        """None for a number that was never on the roster, or is none."""
        try:
            return self._case(await self.desk.send("POST", "/cases/query", person, {"student_id": student_id}))
        except DeskRefused as refused:
            if refused.status in (404, 422):
                return None
            raise

    async def history(self, person: str, student_id: str) -> tuple[HistoryEntry, ...]:
        answer = await self.desk.send("POST", "/cases/history", person, {"student_id": student_id})
        try:
            return History.model_validate_json(answer.content).entries
        except ValidationError as error:
            raise self.desk.unreadable(error) from None

    async def put(self, person: str, student: Mapping[str, Any]) -> RosterCase:
        return self._case(await self.desk.send("PUT", "/cases", person, student))

    async def withdraw(self, person: str, student_id: str) -> RosterCase:
        return self._case(await self.desk.send("POST", "/cases/withdraw", person, {"student_id": student_id}))

    def _case(self, answer: httpx.Response) -> RosterCase:
        try:
            return RosterCase.model_validate_json(answer.content)
        except ValidationError as error:
            raise self.desk.unreadable(error) from None
