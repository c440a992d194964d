"""What may follow an acceptance: the roster's later words, hand-overs, and forms voided by two persons."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from schemas.events import CertificateIssueAsked, TakenBy
from services.clearance.approvals.decisions import Decisions
from services.clearance.approvals.proposal_store import Proposal
from services.clearance.parts import decisions_of
from services.clearance.roster.roster import RosterResult
from services.clearance.submission.after_acceptance.form_void import NAME, VoidBody, void_action
from services.kit.clearance_policy import Approvals, ClearancePolicy
from services.kit.http.requests.idempotency import IdempotencyKey
from tests.support.in_process.submission_harness import Harness
from tests.support.samples.roster_students import person


async def put(harness: Harness, student_id: str, **changes: Any) -> RosterResult:
    student = person(student_id).model_copy(update=changes)
    async with harness.clearance.pool.acquire() as connection, connection.transaction():
        return await harness.roster.put(connection, student, now=datetime.now(UTC))


async def withdraw(harness: Harness, student_id: str) -> RosterResult | None:
    async with harness.clearance.pool.acquire() as connection, connection.transaction():
        return await harness.roster.withdraw(connection, student_id, now=datetime.now(UTC))


async def submitted(harness: Harness) -> tuple[str, str]:
    """A student whose submission was accepted, and the number of the form."""
    student_id = await harness.student()
    await harness.submitted(student_id)
    submission = await harness.submission(student_id)
    assert submission is not None
    return student_id, submission["form_number"]


async def open_exceptions(harness: Harness, form_number: str) -> dict[str, list[str]]:
    """Name → codes of its reasons."""
    rows = await harness.clearance.pool.fetch(
        "SELECT name, reasons FROM published.exception_v2 WHERE form_number = $1 AND closed_at IS NULL", form_number
    )
    return {row["name"]: [one["code"] for one in json.loads(row["reasons"])] for row in rows}


async def hand_over(
    harness: Harness, student_id: str, form_number: str, *, command_id: UUID | None = None, **more: Any
) -> str:
    """The desk's request, received: the cause of the refusal, or "issued"."""
    command_id = command_id or uuid4()
    event = CertificateIssueAsked(
        command_id=command_id,
        student_id=student_id,
        form_number=form_number,
        asked_by="clerk-1",
        taken_by=TakenBy.SELF,
        asked_at=datetime.now(UTC),
        **more,
    )
    await harness.clearance.receive([harness.record(harness.topics.command, event)])
    return await outcome_of(harness, command_id)


async def outcome_of(harness: Harness, command_id: UUID) -> str:
    pool = harness.clearance.pool
    cause = await pool.fetchval("SELECT cause FROM published.desk_refusal_v1 WHERE command_id = $1", command_id)
    if await pool.fetchval("SELECT EXISTS (SELECT FROM published.issue_v2 WHERE command_id = $1)", command_id):
        assert cause is None
        return "issued"
    return str(cause)


async def audited(harness: Harness, student_id: str, act: str) -> list[tuple[str, dict[str, Any]]]:
    rows = await harness.clearance.pool.fetch(
        "SELECT outcome, details FROM audit.entry WHERE student_id = $1 AND act = $2 ORDER BY entry_id", student_id, act
    )
    return [(row["outcome"], json.loads(row["details"])) for row in rows]


def decisions(harness: Harness, *, one_person: bool = False) -> Decisions:
    policy = ClearancePolicy(approvals=Approvals(one_person=frozenset({NAME} if one_person else ())))
    return decisions_of(policy, [void_action(harness.roster)])


async def propose(
    harness: Harness, student_id: str, form_number: str, *, by: str = "operator-1", one_person: bool = False
) -> Proposal:
    body = VoidBody(student_id=student_id, form_number=form_number, reason="姓名有误，更正后重新提交")
    made = decisions(harness, one_person=one_person)
    async with harness.clearance.pool.acquire() as connection, connection.transaction():
        key = IdempotencyKey.of(by, str(uuid4()), body.model_dump_json())
        return await made.propose(connection, made.actions[NAME], body, key)


async def void(harness: Harness, student_id: str, form_number: str) -> None:
    proposal = await propose(harness, student_id, form_number)
    async with harness.clearance.pool.acquire() as connection, connection.transaction():
        await decisions(harness).confirm(connection, proposal.proposal_id, by="dean-1")


async def forms(harness: Harness, student_id: str) -> list[Any]:
    rows: list[Any] = await harness.clearance.pool.fetch(
        "SELECT * FROM published.submission_v2 WHERE student_id = $1 ORDER BY case_number, sequence", student_id
    )
    return rows
