"""What two persons decide about a student's checks, over HTTP, for a person: the clearance has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, TypeVar

import httpx
from pydantic import ValidationError

from services.gateway.staff.desk.desk_answers import DeskAnswer
from services.gateway.staff.desk.desk_client import DeskClient

_LIMIT: Final = 200
A = TypeVar("A", bound=DeskAnswer)


class Proposal(DeskAnswer):
    """`body`: the action's own fields. `persons`: how many decide."""

    proposal_id: int
    action: str
    student_id: str
    body: dict[str, Any]
    reason: str
    persons: int
    state: str
    proposed_by: str
    proposed_at: datetime
    expires_at: datetime

    @property
    def proposer(self) -> str:
        """Of a page's person, the person; else the principal."""
        return self.proposed_by.partition(": ")[2] or self.proposed_by

    def is_of(self, account: str) -> bool:
        """The name beside the account may have changed since."""
        return self.proposer == account or self.proposer.endswith(f" ({account})")


class Exemption(DeskAnswer):
    student_id: str
    department: str
    check: str
    kind: str
    reason: str
    until: date
    proposed_by: str
    confirmed_by: str
    made_at: datetime


class _Proposals(DeskAnswer):
    proposals: tuple[Proposal, ...]
    next_after: int | None = None


class _Exemptions(DeskAnswer):
    exemptions: tuple[Exemption, ...]
    next_after: int | None = None


@dataclass(frozen=True, slots=True)
class ApprovalsClient:
    """Methods raise `DeskUnavailable` and `DeskRefused`. `person` is what the audit names."""

    desk: DeskClient

    async def pending(self, person: str) -> tuple[tuple[Proposal, ...], bool]:
        """Oldest first, at most 200, and whether there are more."""
        query = {"state": "open", "limit": _LIMIT}
        found = self._read(_Proposals, await self.desk.send("GET", "/approvals", person, query=query))
        return found.proposals, found.next_after is not None

    async def exemptions(self, person: str) -> tuple[tuple[Exemption, ...], bool]:
        """In force, oldest first, at most 200, and whether there are more."""
        answer = await self.desk.send("GET", "/exemptions", person, query={"limit": _LIMIT})
        found = self._read(_Exemptions, answer)
        return found.exemptions, found.next_after is not None

    async def proposal(self, person: str, proposal_id: int) -> Proposal:
        return self._read(Proposal, await self.desk.send("GET", f"/approvals/{proposal_id}", person))

    async def propose(self, person: str, action: str, body: Mapping[str, Any], key: str) -> Proposal:
        headers = {"Idempotency-Key": key}
        return self._read(Proposal, await self.desk.send("POST", f"/approvals/propose/{action}", person, body, headers))

    async def confirm(self, person: str, proposal_id: int) -> Proposal:
        return self._read(Proposal, await self.desk.send("POST", f"/approvals/{proposal_id}/confirm", person))

    async def reject(self, person: str, proposal_id: int, why: str) -> Proposal:
        answer = await self.desk.send("POST", f"/approvals/{proposal_id}/reject", person, {"why": why})
        return self._read(Proposal, answer)

    def _read(self, model: type[A], answer: httpx.Response) -> A:
        try:
            return model.model_validate_json(answer.content)
        except ValidationError as error:
            raise self.desk.unreadable(error) from None
