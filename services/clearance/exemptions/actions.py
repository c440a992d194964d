"""Making and withdrawing an exemption, decided by two persons.

It is decided before the submission: an accepted form rests on what its attempt asked, and is voided instead.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import Field

from schemas.events import CaseState, Name
from services.clearance.approvals.actions import Action, ActionRefused, Approved, ProposalBody
from services.clearance.exemptions import exemption_store
from services.clearance.roster import case_store
from services.clearance.roster.cases import Case
from services.kit.names import APPROVER, ROSTER
from services.kit.postgres.pool import Connection
from services.kit.rules.fields import Day
from services.kit.rules.waivers import CheckKey, Waiver, WaiverKind

NOT_APPLICABLE: Final = "not-applicable"
RELEASE: Final = "release"
WITHDRAW: Final = "withdraw-exemption"
_KINDS: Final[Mapping[str, WaiverKind]] = {NOT_APPLICABLE: WaiverKind.NOT_APPLICABLE, RELEASE: WaiverKind.RELEASED}


class CheckBody(ProposalBody):
    department: Name = Field(examples=["library"])
    check: Name = Field(examples=["thesis"])

    @property
    def key(self) -> CheckKey:
        return self.department, self.check


class ExemptionBody(CheckBody):
    until: Day = Field(description="The last day, in the university's time zone.")


class ExemptionActions:
    """`required`: department → its checks. `zone`: of the day `until`."""

    def __init__(self, required: Mapping[str, Collection[str]], zone: ZoneInfo) -> None:
        self._required = required
        self._zone = zone

    def actions(self) -> tuple[Action[Any], ...]:
        return (
            self._exempting(
                NOT_APPLICABLE, "a check is not applicable to a student (无需办理)", "涉密论文，由导师归档"
            ),
            self._exempting(RELEASE, "release a blocked check of a student (特批放行)", "系统故障，已核对纸质凭证"),
            Action(
                name=WITHDRAW,
                summary="withdraw a student's exemption",
                body=CheckBody,
                proposes=ROSTER,
                confirms=APPROVER,
                check=self._check_withdrawal,
                apply=self._withdraw,
                examples=(_example("登记有误"),),
            ),
        )

    def _exempting(self, name: str, summary: str, reason: str) -> Action[ExemptionBody]:
        async def exempt(connection: Connection, approved: Approved[ExemptionBody]) -> None:
            await self._exempt(connection, approved, _KINDS[name])

        return Action(
            name=name,
            summary=summary,
            body=ExemptionBody,
            proposes=ROSTER,
            confirms=APPROVER,
            check=self._check_exemption,
            apply=exempt,
            examples=({**_example(reason), "until": "2026-12-31"},),
        )

    async def _exempt(self, connection: Connection, approved: Approved[ExemptionBody], kind: WaiverKind) -> None:
        body = approved.body
        case = await self._check_exemption(connection, body)
        await exemption_store.add(
            connection,
            body.student_id,
            case.case_number,
            Waiver(department=body.department, check=body.check, kind=kind, reason=body.reason, until=body.until),
            ends_at=self._ends_at(body),
            proposal_id=approved.proposal_id,
            proposed_by=approved.proposed_by,
            confirmed_by=approved.confirmed_by,
        )

    async def _withdraw(self, connection: Connection, approved: Approved[CheckBody]) -> None:
        body = approved.body
        case = await self._check_withdrawal(connection, body)
        await exemption_store.withdraw(
            connection,
            body.student_id,
            case.case_number,
            body.key,
            proposal_id=approved.proposal_id,
            by=approved.confirmed_by,
        )

    async def _check_exemption(self, connection: Connection, body: ExemptionBody) -> Case:
        case = await self._open_case(connection, body)
        if self._ends_at(body) <= datetime.now(UTC):
            raise ActionRefused("until-past", "The last day is over", remedy="Send today or later.", field="/until")
        return case

    async def _check_withdrawal(self, connection: Connection, body: CheckBody) -> Case:
        case = await self._open_case(connection, body)
        made = await exemption_store.in_force(connection, {body.student_id: case.case_number})
        if body.key not in made[body.student_id]:
            raise ActionRefused(
                "no-exemption", "No exemption of this check is in force", remedy="POST /exemptions/query lists them."
            )
        return case

    async def _open_case(self, connection: Connection, body: CheckBody) -> Case:
        if body.check not in self._required.get(body.department, ()):
            known = ", ".join(f"{name}.{check}" for name, checks in self._required.items() for check in checks)
            raise ActionRefused("unknown-check", "There is no such check", remedy=f"One of: {known}.", field="/check")
        case = await case_store.find(connection, body.student_id)
        assert case is not None, "a proposal locks the student's case"
        if case.state is CaseState.COMPLETED:
            raise ActionRefused(
                "already-submitted", "The submission was accepted", remedy="An accepted form is voided instead."
            )
        return case

    def _ends_at(self, body: ExemptionBody) -> datetime:
        return datetime.combine(body.until + timedelta(days=1), time(), self._zone)


def _example(reason: str) -> dict[str, str]:
    return {"student_id": "TS20260001", "department": "library", "check": "thesis", "reason": reason}
