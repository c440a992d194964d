"""Proposing, confirming and rejecting, in the caller's transaction."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from services.clearance.approvals import proposal_store
from services.clearance.approvals.actions import Action, ActionRefused, Approved, ProposalBody
from services.clearance.approvals.proposal_store import Proposal, ProposalState
from services.clearance.roster import case_store
from services.kit.audit import log
from services.kit.clearance_policy import Approvals
from services.kit.http.requests.idempotency import IdempotencyKey, KeyReused
from services.kit.postgres.pool import Connection


class UnknownStudent(Exception):
    """There is no such case."""


class UnknownProposal(Exception):
    """There is no such proposal."""


class ProposalEnded(Exception):
    """Confirmed, rejected or expired before."""

    def __init__(self, proposal: Proposal) -> None:
        super().__init__(proposal.state.value)
        self.proposal = proposal


class OwnProposal(Exception):
    """The proposer may not decide."""


class Decisions:
    def __init__(self, actions: Mapping[str, Action[Any]], policy: Approvals) -> None:
        """`actions`: by name."""
        self.actions = actions
        self._policy = policy

    async def propose(
        self, connection: Connection, action: Action[Any], body: ProposalBody, key: IdempotencyKey
    ) -> Proposal:
        """Takes effect at once where one person decides. Idempotent.

        Raises `UnknownStudent`, `KeyReused` and `ActionRefused`.
        """
        case = await case_store.lock(connection, body.student_id)
        if case is None:
            raise UnknownStudent
        known = await proposal_store.by_key(connection, key)
        if known is not None:
            return _same(known, key)
        await action.check(connection, body)
        persons = 1 if action.name in self._policy.one_person else 2
        proposal = await proposal_store.add(
            connection,
            key,
            action=action.name,
            student_id=body.student_id,
            body=body.model_dump(mode="json", exclude={"student_id", "reason"}),
            reason=body.reason,
            persons=persons,
            life_s=self._policy.expire_after_hours * 3600,
        )
        if proposal is None:  # the key was used meanwhile, for another student
            raise KeyReused
        await _audit(connection, proposal, "approval.propose", key.principal)
        if persons == 1:
            await action.apply(connection, _approved(action, proposal))
        return proposal

    async def confirm(self, connection: Connection, proposal_id: int, *, by: str) -> Proposal:
        """Idempotent for the person who confirmed.

        Raises `UnknownProposal`, `OwnProposal`, `ProposalEnded` and `ActionRefused`.
        """
        proposal = await self._lock(connection, proposal_id)
        if proposal.state is ProposalState.CONFIRMED and proposal.ended_by == by:
            return proposal
        _check_may_decide(proposal, by)
        ended = await proposal_store.end(connection, proposal_id, ProposalState.CONFIRMED, by=by)
        await _audit(connection, ended, "approval.confirm", by)
        action = self.actions[proposal.action]
        await action.apply(connection, _approved(action, ended))
        return ended

    async def reject(self, connection: Connection, proposal_id: int, *, by: str, why: str) -> Proposal:
        """Idempotent for the person who rejected. Raises like `confirm`."""
        proposal = await self._lock(connection, proposal_id)
        if proposal.state is ProposalState.REJECTED and proposal.ended_by == by:
            return proposal
        _check_may_decide(proposal, by)
        ended = await proposal_store.end(connection, proposal_id, ProposalState.REJECTED, by=by, why=why)
        await _audit(connection, ended, "approval.reject", by)
        return ended

    async def find(self, connection: Connection, proposal_id: int) -> Proposal:
        """Raises `UnknownProposal`, also for one whose action is no longer there."""
        proposal = await proposal_store.find(connection, proposal_id)
        if proposal is None or proposal.action not in self.actions:
            raise UnknownProposal
        return proposal

    async def _lock(self, connection: Connection, proposal_id: int) -> Proposal:
        proposal = await self.find(connection, proposal_id)
        await case_store.lock(connection, proposal.student_id)
        locked = await proposal_store.lock(connection, proposal_id)
        if locked is None:  # its student was forgotten meanwhile
            raise UnknownProposal
        return locked


def _same(known: tuple[Proposal, bytes], key: IdempotencyKey) -> Proposal:
    proposal, fingerprint = known
    if fingerprint != key.fingerprint:
        raise KeyReused
    return proposal


def _check_may_decide(proposal: Proposal, by: str) -> None:
    if proposal.state is not ProposalState.OPEN:
        raise ProposalEnded(proposal)
    if proposal.proposed_by == by:
        raise OwnProposal


def _approved(action: Action[Any], proposal: Proposal) -> Approved[Any]:
    fields = {**proposal.body, "student_id": proposal.student_id, "reason": proposal.reason}
    try:
        body = action.body.model_validate(fields)
    except ValidationError:
        raise ActionRefused(
            "proposal-outdated",
            "This version of the service does not read the proposal any more",
            remedy="Reject it and propose it again.",
        ) from None
    assert proposal.ended_by is not None
    assert proposal.ended_at is not None
    return Approved(proposal.proposal_id, body, proposal.proposed_by, proposal.ended_by, proposal.ended_at)


async def _audit(connection: Connection, proposal: Proposal, act: str, actor: str) -> None:
    await log.append_entry(
        connection,
        actor=actor,
        act=act,
        outcome=proposal.state.value,
        student_id=proposal.student_id,
        details={
            "proposal": proposal.proposal_id,
            "action": proposal.action,
            "proposed_by": proposal.proposed_by,
            "persons": proposal.persons,
        },
    )
