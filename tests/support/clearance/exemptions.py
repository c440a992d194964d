"""Exemptions decided by two persons, on the clearance's own decisions."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import asyncpg

from services.clearance.approvals.decisions import Decisions
from services.clearance.approvals.proposal_store import Proposal
from services.clearance.exemptions.actions import ExemptionActions
from services.clearance.parts import decisions_of
from services.clearance.settings import ClearanceSettings
from services.kit.clearance_policy import ClearancePolicy
from services.kit.http.requests.idempotency import IdempotencyKey

PROPOSER, CONFIRMER = "clerk-a", "clerk-b"


def until() -> str:
    """A month from now."""
    return (date.today() + timedelta(days=30)).isoformat()


def exemption_decisions(required: Mapping[str, tuple[str, ...]]) -> Decisions:
    zone = ClearanceSettings.model_construct().zone
    return decisions_of(ClearancePolicy(), ExemptionActions(required, zone).actions())


async def decide(
    deciding: Decisions, pool: "asyncpg.Pool[Any]", action_name: str, student_id: str, check: str, **body: Any
) -> Proposal:
    """Proposed by one person, confirmed by another. `check` as `library.thesis`. Raises `ActionRefused`."""
    department, _, named = check.partition(".")
    fields = {"student_id": student_id, "reason": "涉密论文", "department": department, "check": named, **body}
    action = deciding.actions[action_name]
    async with pool.acquire() as connection:
        async with connection.transaction():
            key = IdempotencyKey.of(PROPOSER, f"key-{uuid4()}", action_name)
            made = await deciding.propose(connection, action, action.body.model_validate(fields), key)
        async with connection.transaction():
            return await deciding.confirm(connection, made.proposal_id, by=CONFIRMER)
